import { STATUS_CODES } from 'node:http'
import { frameEmptyBody } from '../framing.ts'
import type { Outgoing } from '../web/response-state.ts'

const statusLines = new Map<number, string>()
let dateSecond = 0
let dateLine = ''

/** How the end of a response's body is told (RFC 9112, section 6.3). */
export type Framing = 'length' | 'chunked' | 'close'

/** How the body of `outgoing` is framed; the answer to HEAD is as if there were none. */
export function framingOf({ body, headers }: Outgoing, isHttp10: boolean): Framing {
  if (!(body instanceof ReadableStream) || declaredLength(headers) !== undefined) return 'length'
  return isHttp10 ? 'close' : 'chunked'
}

/** Value of the field `content-length`. */
export function declaredLength(headers: readonly string[]): string | undefined {
  for (let at = headers.length - 2; at >= 0; at -= 2) {
    if (headers[at] === 'content-length') return headers[at + 1]
  }
  return undefined
}

/**
 * Head of a response in one character per byte, the empty line included.
 *
 * @param isLast whether it says that the connection ends with it
 */
export function responseHead(
  outgoing: Outgoing,
  isHead: boolean,
  framing: Framing,
  isLast: boolean,
): string {
  const { status, statusText, headers } = outgoing
  if (outgoing.body === null) frameEmptyBody(status, headers, isHead)
  let head = statusLine(status, statusText)
  for (let at = 0; at < headers.length; at += 2) head += `${headers[at]}: ${headers[at + 1]}\r\n`
  if (framing === 'chunked') head += 'transfer-encoding: chunked\r\n'
  if (isLast) head += 'connection: close\r\n'
  return `${head}${dateField()}\r\n`
}

function statusLine(status: number, statusText: string): string {
  if (statusText !== '') return `HTTP/1.1 ${status} ${statusText}\r\n`
  let line = statusLines.get(status)
  if (line === undefined) {
    // Of a status without a name node says the same.
    line = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n`
    statusLines.set(status, line)
  }
  return line
}

/** RFC 9110, section 6.6.1; made once a second. */
function dateField(): string {
  const now = Date.now()
  const second = Math.floor(now / 1_000)
  if (second !== dateSecond) {
    dateSecond = second
    dateLine = `date: ${new Date(now).toUTCString()}\r\n`
  }
  return dateLine
}
