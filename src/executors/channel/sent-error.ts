import { FezzError, type FezzErrorCode, STATUS_OF_CODE } from '../../errors.ts'
import { serializeError } from '../../telemetry/serialize-error.ts'

/** An error as it travels. */
export interface SentError {
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
  /** Of a FezzError or of Node's errors. */
  readonly code: string | undefined
  /** Of a FezzError. */
  readonly headers: Readonly<Record<string, string>> | undefined
  readonly cause: SentError | undefined
}

/** Names by which functions tell why a signal has aborted; they expect a DOMException. */
const ABORT_NAMES: ReadonlySet<string> = new Set(['AbortError', 'TimeoutError'])

/** Whatever was thrown as plain data. Never throws. */
export function toSentError(error: unknown): SentError {
  return { ...sent(serializeError(error)), headers: headersOf(error) }
}

/** What a function may have made of them has to survive the way. */
function headersOf(error: unknown): Readonly<Record<string, string>> | undefined {
  try {
    if (!(error instanceof FezzError) || error.headers === undefined) return undefined
    return Object.fromEntries(
      Object.entries(error.headers).map(([name, value]) => [name, `${value}`]),
    )
  } catch {
    return undefined
  }
}

function sent({ type, message, stack, code, cause }: ReturnType<typeof serializeError>): SentError {
  return {
    name: textOf(type),
    message: textOf(message),
    stack: typeof stack === 'string' ? stack : undefined,
    code,
    headers: undefined,
    cause: cause && sent(cause),
  }
}

/** A function may have given its error any value as a name or message. */
function textOf(message: unknown): string {
  try {
    return String(message)
  } catch {
    return 'an error that cannot be read'
  }
}

/** An error that says what the one thrown over there said. */
export function fromSentError(sent: SentError): Error {
  const error = revive(sent)
  if (sent.stack !== undefined) define(error, 'stack', sent.stack)
  return error
}

function revive({ name, message, code, headers, cause }: SentError): Error {
  const options = cause && { cause: fromSentError(cause) }
  if (ABORT_NAMES.has(name)) return new DOMException(message, name)
  if (name === 'FezzError' && code !== undefined && Object.hasOwn(STATUS_OF_CODE, code)) {
    return new FezzError(code as FezzErrorCode, message, {
      ...options,
      ...(headers && { headers }),
    })
  }
  const error = new Error(message, options)
  if (name !== 'Error') define(error, 'name', name)
  if (code !== undefined) define(error, 'code', code)
  return error
}

function define(error: Error, key: string, value: string): void {
  Object.defineProperty(error, key, { value, configurable: true, writable: true })
}
