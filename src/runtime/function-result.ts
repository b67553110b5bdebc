import { FezzError } from '../errors.ts'
import { hasLeft, type IncomingRequest } from '../http/web/incoming-request.ts'
import type { HostedFunction } from './hosted-function.ts'

/** Whether `value` will be known later. Asking may run code of the function. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function'
}

/** What a client is told of what a function threw; the error itself where that is an answer. */
export function failureOf(
  cause: unknown,
  hosted: HostedFunction,
  request: IncomingRequest,
): FezzError {
  if (speaksForItself(cause, hosted)) return cause
  if (gaveUpForClient(cause, request)) {
    return new FezzError('CLIENT_CLOSED', 'the client has left', { cause })
  }
  return new FezzError('FUNCTION_ERROR', `function "${hosted.id}" failed`, { cause })
}

/**
 * Whether what a function threw is an answer: a client's error (a body too large is one), the death
 * of its instance, or its executor's word that what it said is no answer. Everything else is the
 * function's own affair and stays inside; one in this process could say that word itself.
 */
function speaksForItself(cause: unknown, { isInProcess }: HostedFunction): cause is FezzError {
  try {
    if (!(cause instanceof FezzError)) return false
    const { status, code } = cause
    return status < 500 || code === 'INSTANCE_EXITED' || (code === 'BAD_RESPONSE' && !isInProcess)
  } catch {
    // A Proxy may throw when it is looked at.
    return false
  }
}

/**
 * Whether a function gave up because its client has left: what it was told by `signal` it hands back
 * as its own failure, and so do the executors of programs. It has done nothing wrong.
 */
function gaveUpForClient(cause: unknown, request: IncomingRequest): boolean {
  try {
    return (cause as Error | null | undefined)?.name === 'AbortError' && hasLeft(request)
  } catch {
    // A Proxy may throw when it is looked at.
    return false
  }
}

/** Ends a response that nobody waits for any more, so that its producer stops. */
export function discard(value: unknown): void {
  if (value instanceof Response) value.body?.cancel().catch(() => {})
}
