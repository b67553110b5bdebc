import { FezzError } from '../../errors.ts'
import { malformed } from './malformed.ts'

/**
 * How long the body of a request is (RFC 9112, section 6.3): 0 for none, -1 when it is chunked.
 *
 * @param coding value of the only Transfer-Encoding
 * @param length value of the only Content-Length
 * @returns an error wherever two readers could differ about it
 */
export function messageLength(
  coding: string | undefined,
  length: string | undefined,
  isHttp10: boolean,
): number | FezzError {
  if (coding === undefined) {
    if (length === undefined) return 0
    return /^\d{1,19}$/.test(length) ? Number(length) : malformed('has a malformed Content-Length')
  }
  if (length !== undefined) return malformed('has both Content-Length and Transfer-Encoding')
  if (isHttp10) return malformed('has a Transfer-Encoding in HTTP/1.0')
  if (coding.toLowerCase() === 'chunked') return -1
  // Chunked has to be the last one, else nobody knows where the body ends.
  const isChunkedInside = coding.split(',').some(isChunked)
  if (isChunkedInside && !isChunked(coding.slice(coding.lastIndexOf(',') + 1))) {
    return malformed('has a coding after chunked')
  }
  return new FezzError('NOT_IMPLEMENTED', 'The only transfer coding here is chunked')
}

function isChunked(coding: string): boolean {
  return coding.trim().toLowerCase() === 'chunked'
}
