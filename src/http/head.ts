import { FezzError } from '../errors.ts'
import { findField } from './web/fields.ts'

/** What a listener itself needs of a request's headers, gathered in one pass. */
export interface RequestHead {
  /** The only Host header; `undefined` when there is none. */
  readonly host: string | undefined
  /** Length of the body in bytes; -1 when it is chunked. */
  readonly bodyBytes: number
  /** Whether there is an Upgrade header, for whatever protocol. */
  readonly hasUpgrade: boolean
  /** Whether the client asks to speak WebSocket (RFC 6455, section 4.1). */
  readonly webSocket: boolean
}

/**
 * Reads the headers that decide about framing and authority.
 *
 * @param rawHeaders name, value, name, value, ... of a message whose syntax was checked
 * @param isHttp10 whether the request is HTTP/1.0
 * @throws FezzError `BAD_REQUEST` for a second Host, or for a Transfer-Encoding that is repeated or
 *   in HTTP/1.0 (RFC 9112, section 6.1); `NOT_IMPLEMENTED` for any other than `chunked`;
 *   `HEADERS_TOO_LARGE` for too many fields
 */
export function readHead(
  rawHeaders: readonly string[],
  isHttp10: boolean,
  maxHeaders: number,
): RequestHead {
  const length = rawHeaders.length
  if (length > 2 * maxHeaders) {
    throw new FezzError('HEADERS_TOO_LARGE', `The request has more than ${maxHeaders} headers`)
  }
  let host: string | undefined
  let contentLength = 0
  let coding: string | undefined
  let upgrade = false
  for (let i = 0; i < length; i += 2) {
    const name = rawHeaders[i] as string
    // By length first: most headers are none of these, and comparing lengths is free.
    switch (name.length) {
      case 4:
        if (!isName(name, 'Host', 'host')) break
        if (host !== undefined) throw refusal('has more than one Host header')
        host = rawHeaders[i + 1]
        break
      case 7:
        upgrade ||= isName(name, 'Upgrade', 'upgrade')
        break
      case 14:
        if (!isName(name, 'Content-Length', 'content-length')) break
        contentLength = Number(rawHeaders[i + 1])
        break
      case 17:
        if (!isName(name, 'Transfer-Encoding', 'transfer-encoding')) break
        if (coding !== undefined) throw refusal('has more than one Transfer-Encoding header')
        coding = rawHeaders[i + 1]
    }
  }
  if (coding !== undefined) checkCoding(coding, isHttp10)
  return {
    host,
    bodyBytes: coding === undefined ? contentLength : -1,
    hasUpgrade: upgrade,
    webSocket: upgrade && asksForWebSocket(rawHeaders),
  }
}

function isName(name: string, usual: string, lower: string): boolean {
  return name === usual || name === lower || name.toLowerCase() === lower
}

function checkCoding(coding: string, isHttp10: boolean): void {
  if (isHttp10) throw refusal('has a Transfer-Encoding in HTTP/1.0')
  if (coding.toLowerCase() === 'chunked') return
  throw new FezzError('NOT_IMPLEMENTED', 'The only transfer coding here is chunked')
}

/** An Upgrade header means nothing unless Connection names it (RFC 9110, section 7.8). */
function asksForWebSocket(rawHeaders: readonly string[]): boolean {
  return (
    hasToken(rawHeaders, 'connection', 'upgrade') && hasToken(rawHeaders, 'upgrade', 'websocket')
  )
}

function hasToken(rawHeaders: readonly string[], name: string, token: string): boolean {
  const elements = findField(rawHeaders, name)?.split(',') ?? []
  return elements.some(element => element.trim().toLowerCase() === token)
}

function refusal(what: string): FezzError {
  return new FezzError('BAD_REQUEST', `The request ${what}`)
}
