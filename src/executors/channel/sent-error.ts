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

const FEZZ_ERROR = 'FezzError'

/** Names by which functions tell why a signal has aborted; they expect a DOMException. */
const ABORT_NAMES: ReadonlySet<string> = new Set(['AbortError', 'TimeoutError'])

/** Whatever was thrown as plain data. Never throws. */
export function toSentError(error: unknown): SentError {
  return { ...sent(serializeError(error)), ...ownOf(error) }
}

/**
 * What makes it a FezzError over there, also one of a subclass with a name of its own. What a function
 * may have made of its headers has to survive the way.
 */
function ownOf(error: unknown): Partial<SentError> {
  try {
    if (!(error instanceof FezzError)) return {}
    const headers = Object.entries(error.headers ?? {}).map(([name, value]) => [name, `${value}`])
    return { name: FEZZ_ERROR, ...(error.headers && { headers: Object.fromEntries(headers) }) }
  } catch {
    return {}
  }
}

function sent({ type, message, stack, code, cause }: ReturnType<typeof serializeError>): SentError {
  return {
    name: textOf(type),
    message: textOf(message),
    stack: typeof stack === 'string' ? textOf(stack) : undefined,
    code,
    headers: undefined,
    cause: cause && sent(cause),
  }
}

/** More of a name, message or stack says nothing more. */
const MAX_TEXT_CHARS = 65_536

/**
 * Any value as text: a function may have made anything a name or message, of any length. Never
 * throws.
 */
export function textOf(value: unknown): string {
  try {
    return String(value).slice(0, MAX_TEXT_CHARS)
  } catch {
    return 'a value that cannot be read'
  }
}

/** How much text there is in an error, in characters: with its causes it may be a lot. */
export function lengthOf(error: SentError | undefined): number {
  let chars = 0
  for (let one = error; one !== undefined; one = one.cause)
    chars += textOf(one.message).length + textOf(one.stack ?? '').length
  return chars
}

/** An error that says what the one thrown over there said, cut anew: its sender may be hostile. */
export function fromSentError(sent: SentError): Error {
  const error = revive(sent)
  if (sent.stack !== undefined) define(error, 'stack', sent.stack)
  return error
}

/**
 * What a function has thrown. Its FezzErrors are that only as far as they blame the client: that
 * something is wrong with the instance or the host is not the function's to say.
 */
export function fromThrown(sent: SentError): Error {
  const error = fromSentError(sent)
  if (!(error instanceof FezzError) || error.status < 500) return error
  return new Error(error.message, { cause: error })
}

function revive({ name, message: sent, code, headers, cause }: SentError): Error {
  const message = textOf(sent)
  const options = cause && { cause: fromSentError(cause) }
  if (ABORT_NAMES.has(name)) return new DOMException(message, name)
  if (name === FEZZ_ERROR && code !== undefined && Object.hasOwn(STATUS_OF_CODE, code)) {
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
  Object.defineProperty(error, key, { value: textOf(value), configurable: true, writable: true })
}
