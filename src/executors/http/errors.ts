import { FezzError } from '../../errors.ts'

/** @param what follows "the function's server", e.g. `broke off` */
export function badResponse(what: string, cause?: unknown): FezzError {
  return new FezzError('BAD_RESPONSE', `the function's server ${what}`, { cause })
}

/** For requests to an instance that is gone. */
export function instanceGone(cause?: unknown): FezzError {
  return new FezzError('INSTANCE_EXITED', 'the instance has ended', { cause })
}

/** Whether a failed exchange means that the connection broke, and not that nonsense came over it. */
export function isBreakdown(error: unknown): boolean {
  const isNonsense = (error as Error | null)?.name === 'HTTPParserError'
  return !isNonsense && !/^UND_ERR_(HEADERS|RES|INVALID|NOT)_/.test(codeOf(error))
}

/** What a failed exchange was, for the client. */
export function exchangeError(error: unknown): FezzError {
  const code = codeOf(error)
  if (/^UND_ERR_(INVALID_ARG|NOT_SUPPORTED)$/.test(code)) {
    return new FezzError('BAD_REQUEST', 'the request cannot be passed on', { cause: error })
  }
  const what = isBreakdown(error) ? 'broke off' : 'answered with something that is not HTTP/1.1'
  return badResponse(what, error)
}

function codeOf(error: unknown): string {
  return String((error as { readonly code?: unknown } | null)?.code ?? '')
}
