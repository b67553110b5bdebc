import { FezzError } from '../../errors.ts'

/** What is known of an answer that is not 2xx. */
interface Refusal {
  readonly statusCode: number
  readonly body?: unknown
}

/** Consul puts its reason into the body, as text of any length. */
const REASON_CHARS = 200

/** An operation of a transaction that did not hold, so that none of it was done. */
export class TransactionFailed extends Error {
  override readonly name = 'TransactionFailed'
  /** Position of the operation. */
  readonly index: number

  constructor(index: number, message: string) {
    super(message)
    this.index = index
  }
}

/**
 * What a call of the `consul` package has thrown, in our words. The package's own errors hold the
 * whole request, token included, so of them only the message is kept.
 *
 * @param chunks of a body that the package has not seen
 */
export function failureOf(
  error: unknown,
  endpoint: string,
  what: string,
  chunks: readonly Buffer[],
): Error {
  if (error instanceof FezzError) return error
  const refusal = refusalOf(error)
  if (refusal === undefined) {
    const { code, message } = error as NodeJS.ErrnoException
    return unavailable(`Consul at ${endpoint} cannot be reached (${code ?? message})`, error)
  }
  const { statusCode, body } = refusal
  const cause = new Error((error as Error).message)
  if (statusCode === 409) return transactionFailure(body) ?? unavailable(cause.message, cause)
  const reason = textOf(body ?? Buffer.concat(chunks))
    .trim()
    .slice(0, REASON_CHARS)
  const answer = `Consul at ${endpoint} answers "${what}" with ${statusCode}`
  const advice = statusCode === 403 ? '; check the token and the rules of its policies' : ''
  return unavailable(`${answer}${reason && `: ${reason}`}${advice}`, cause)
}

/** Whether Consul has answered with `statusCode`. */
export function isStatus(error: unknown, statusCode: number): boolean {
  return refusalOf(error)?.statusCode === statusCode
}

export function unavailable(message: string, cause?: unknown): FezzError {
  return new FezzError('STORE_UNAVAILABLE', message, cause === undefined ? {} : { cause })
}

export function closedError(): FezzError {
  return unavailable('the Consul store is closed')
}

function refusalOf(error: unknown): Refusal | undefined {
  return (error as { response?: Refusal } | undefined)?.response
}

function transactionFailure(body: unknown): TransactionFailed | undefined {
  const { Errors: errors } = (body ?? {}) as {
    Errors?: readonly { readonly OpIndex: number; readonly What: string }[]
  }
  const first = errors?.[0]
  return first && new TransactionFailed(first.OpIndex, first.What)
}

function textOf(body: unknown): string {
  return typeof body === 'string' || Buffer.isBuffer(body) ? body.toString() : ''
}
