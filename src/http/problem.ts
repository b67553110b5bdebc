import { STATUS_CODES } from 'node:http'
import type { FezzError } from '../errors.ts'
import { FastResponse } from './web/response.ts'

const MEDIA_TYPE = 'application/problem+json'

/** The body of every error that Fezz itself answers with (RFC 9457). */
interface Problem {
  /** Always `about:blank`: the `code` says more than a URI would. */
  readonly type: 'about:blank'
  /** Reason phrase of the status. */
  readonly title: string
  readonly status: number
  /** Error code of Fezz. */
  readonly code: string
  /** The error's message. */
  readonly detail: string
  /** Finds the cause in the log. */
  readonly requestId: string
}

/**
 * The answer to a failed request: `application/problem+json` with the error's own headers
 * (`retry-after`, `allow`) and `x-request-id`. The error's cause stays here.
 */
export function problemResponse(error: FezzError, requestId: string): FastResponse {
  return new FastResponse(problemBody(error, requestId), {
    status: error.status,
    headers: { ...error.headers, 'content-type': MEDIA_TYPE, 'x-request-id': requestId },
  })
}

/**
 * The same as {@link problemResponse} for a socket that no response object exists for, because its
 * bytes never became a request: a whole HTTP/1.1 message that says `Connection: close`.
 */
export function problemMessage(error: FezzError, requestId: string): string {
  const body = problemBody(error, requestId)
  const headers = {
    ...error.headers,
    'content-type': MEDIA_TYPE,
    'content-length': Buffer.byteLength(body),
    'x-request-id': requestId,
    date: new Date().toUTCString(),
    connection: 'close',
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}\r\n${lines.join('')}\r\n${body}`
}

function problemBody(error: FezzError, requestId: string): string {
  const problem: Problem = {
    type: 'about:blank',
    title: STATUS_CODES[error.status] ?? 'Unknown',
    status: error.status,
    code: error.code,
    detail: error.message,
    requestId,
  }
  return JSON.stringify(problem)
}
