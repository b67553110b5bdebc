import type { ServerResponse } from 'node:http'
import type { Logger } from '../../telemetry/logger.ts'
import { cut } from '../cut.ts'
import { frameEmptyBody } from '../framing.ts'
import { adoptResponse, takeOutgoing } from '../web/outgoing.ts'
import type { Exchange } from './exchange.ts'

/**
 * Sends the response of an exchange. A body in memory goes out in one write with its head; a
 * stream is read as fast as the client takes it, and cancelled when the client leaves. If it fails
 * once the head is out, the connection is cut: nothing else tells the client.
 *
 * @param isLast whether the connection ends with it, whatever the exchange says itself
 * @throws when `response` cannot be sent; nothing was written then
 */
export function respond(
  exchange: Exchange,
  response: Response,
  isLast: boolean,
  log: Logger | undefined,
): void {
  const { res } = exchange
  const { status, statusText, headers, body } = takeOutgoing(adoptResponse(response))
  const hasNoBody = body === null || exchange.method === 'HEAD'
  if (res.destroyed || hasNoBody) cancel(body)
  if (res.destroyed) return
  const ends = isLast || exchange.isLast
  if (ends) {
    headers.push('connection', 'close')
    exchange.connection.isEnding = true
  }
  if (body === null) frameEmptyBody(status, headers, exchange.method === 'HEAD')
  // A response that waits behind others of its connection is not written yet.
  if (res.socket === null) exchange.watch()
  if (statusText === '') res.writeHead(status, headers)
  else res.writeHead(status, statusText, headers)
  if (hasNoBody) {
    finish(exchange, ends, undefined)
  } else if (body instanceof ReadableStream) {
    exchange.watch()
    void pump(exchange, body, ends, log)
  } else if (typeof body === 'string' && Buffer.byteLength(body) === body.length) {
    // ASCII: in one string with the head, whose values are Latin-1, not UTF-8 (RFC 9110, 5.5).
    finish(exchange, ends, body)
  } else {
    finish(exchange, ends, typeof body === 'string' ? Buffer.from(body) : body)
  }
}

/** Ends a response with the rest of its body, after what is left of the request's. */
function finish(exchange: Exchange, isLast: boolean, rest: string | Uint8Array | undefined): void {
  const { res, body } = exchange
  if (body === null) {
    res.end(rest, 'latin1')
    return
  }
  if (rest === undefined || rest.length === 0) res.flushHeaders()
  else res.write(rest, 'latin1')
  body.discard(isLast, isClean => {
    res.end()
    if (!isClean) exchange.connection.socket.destroySoon()
  })
}

async function pump(
  exchange: Exchange,
  stream: ReadableStream<Uint8Array>,
  isLast: boolean,
  log: Logger | undefined,
): Promise<void> {
  const { res, connection } = exchange
  const reader = stream.getReader()
  let proceed = (): void => {}
  res.on('error', () => {})
  res.on('drain', () => proceed())
  res.once('close', () => {
    if (!res.writableFinished) void reader.cancel(new Error('The client left')).catch(() => {})
    proceed()
  })
  // More or less than the Content-Length that came with the stream would be a broken message.
  res.strictContentLength = true
  flushHead(res)
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (res.destroyed) return
      if (done) break
      if (!res.write(value)) {
        await new Promise<void>(resolve => {
          proceed = resolve
        })
      }
    }
    const isClean = await discarded(exchange, isLast)
    // Throws when the body was shorter than its length.
    res.end()
    if (!isClean) connection.socket.destroySoon()
  } catch (error) {
    log?.error({ err: error }, 'response stream failed after its head was sent')
    void reader.cancel(error).catch(() => {})
    // Without a length and without chunks only a reset tells an end from an abort.
    if (exchange.req.httpVersionMinor === 0) cut(connection.socket)
    // It waits behind others, which go out first; node would send what there is of it after them.
    else if (res.socket === null) res.once('socket', socket => socket.destroySoon())
    else res.destroy()
  }
}

function discarded({ body }: Exchange, isLast: boolean): Promise<boolean> | true {
  return body === null || new Promise(resolve => body.discard(isLast, resolve))
}

/** Sends the head by itself if the first chunk takes longer than to the next tick. */
function flushHead(res: ServerResponse): void {
  res.cork()
  res.flushHeaders()
  process.nextTick(() => res.uncork())
}

function cancel(body: unknown): void {
  if (body instanceof ReadableStream) void body.cancel().catch(() => {})
}
