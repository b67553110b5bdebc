import { STATUS_CODES } from 'node:http'
import { frameEmptyBody } from '../framing.ts'
import type { Outgoing } from '../web/response-state.ts'
import { fieldLine } from './field-lines.ts'

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
  for (let at = 0; at < headers.length; at += 2) head += fieldLine(headers[at]!, headers[at + 1]!)
  if (framing === 'chunked') head += 'transfer-encoding: chunked\r\n'
  if (isLast) head += 'connection: close\r\n'
  return head + (ending ?? endingNow())
}

const statusLines = new Map<number, string>()

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

/** `Date` (RFC 9110, section 6.6.1) and the empty line, as long as the second lasts. */
let ending: string | undefined

function endingNow(): string {
  const now = new Date()
  ending = `date: ${now.toUTCString()}\r\n\r\n`
  // Once a second and not with each answer: a look at the clock is not for nothing.
  setTimeout(forgetEnding, 1_000 - now.getMilliseconds()).unref()
  return ending
}

function forgetEnding(): void {
  ending = undefined
}
