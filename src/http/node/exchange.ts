import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { FezzError } from '../../errors.ts'
import { normaliseAuthority } from '../authority.ts'
import { plainAddress, type TrustedProxies } from '../forwarded.ts'
import { readHead } from '../head.ts'
import { normaliseTarget, splitAbsoluteTarget } from '../target.ts'
import type { RequestSource } from '../web/source.ts'
import { type Connection, type Connections, connectionOf } from './connections.ts'
import { IncomingBody, tooLarge } from './incoming-body.ts'

const SLASH = 0x2f
/** For `Allow`; which of them a function takes, only its route knows. */
export const ALLOW = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'

/** What an {@link Exchange} needs of its listener. */
export interface ExchangeContext {
  readonly connections: Connections
  readonly proxies: TrustedProxies
  readonly maxBodyBytes: number
  readonly maxTargetBytes: number
}

/** One request and its response over node:http, from the head of the one to the end of the other. */
export class Exchange implements RequestSource {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly connection: Connection
  readonly method: string
  readonly rawHeaders: readonly string[]
  scheme: 'http' | 'https' = 'http'
  authority = ''
  target = ''
  clientAddress: string
  body: IncomingBody | null = null
  readonly #context: ExchangeContext
  #hasUpgrade = false
  #isWatched = false
  #abortListeners: (() => void)[] | undefined

  constructor(req: IncomingMessage, res: ServerResponse, context: ExchangeContext) {
    this.req = req
    this.res = res
    this.connection = connectionOf(req.socket)
    this.method = req.method as string
    this.rawHeaders = req.rawHeaders
    this.clientAddress = this.connection.peer
    this.#context = context
    this.connection.bytesSeen = req.socket.bytesRead
    this.connection.upload = null
  }

  /**
   * Reads and validates the head.
   *
   * @param awaitsContinue whether the client waits for `100 Continue`
   * @throws FezzError for what this host does not serve; the connection is to be closed then
   */
  open(awaitsContinue: boolean): void {
    const { req } = this
    const { maxBodyBytes, maxTargetBytes } = this.#context
    if (req.httpVersionMajor !== 1) {
      throw new FezzError('BAD_REQUEST', 'The only versions served are HTTP/1.1 and HTTP/1.0')
    }
    const isHttp10 = req.httpVersionMinor === 0
    const head = readHead(this.rawHeaders, isHttp10)
    if (head.bodyBytes !== 0) {
      this.body = new IncomingBody(req, this.res, maxBodyBytes, head.bodyBytes, awaitsContinue)
      this.connection.upload = this
      // Its end is where `bytesSeen` must be measured.
      this.watch()
    }
    this.#hasUpgrade = head.hasUpgrade
    const raw = req.url as string
    if (raw.length > maxTargetBytes) {
      throw new FezzError('URI_TOO_LONG', `The target is longer than ${maxTargetBytes} bytes`)
    }
    if (this.method === 'TRACE') {
      throw new FezzError('METHOD_NOT_ALLOWED', 'TRACE is not served', {
        headers: { allow: ALLOW },
      })
    }
    if (head.webSocket) throw new FezzError('NOT_IMPLEMENTED', 'WebSocket is not served')
    this.#locate(raw, head.host, isHttp10)
    if (head.bodyBytes > maxBodyBytes) throw tooLarge(maxBodyBytes)
  }

  /** Whether it is `OPTIONS *` (RFC 9110, section 9.3.7), which asks about the server as a whole. */
  get isForServer(): boolean {
    return this.target === '*'
  }

  /** Counts the exchange as pending until its response is complete; for those not answered at once. */
  watch(): void {
    if (this.#isWatched) return
    this.#isWatched = true
    this.connection.pending++
    this.res.once('close', () => {
      this.#context.connections.done(this.connection)
      if (this.res.writableFinished) return
      const listeners = this.#abortListeners ?? []
      this.#abortListeners = undefined
      for (const listener of listeners) listener()
    })
  }

  onAbort(listener: () => void): void {
    const { res } = this
    if (res.writableFinished) return
    if (res.destroyed) {
      listener()
      return
    }
    this.#abortListeners ??= []
    this.#abortListeners.push(listener)
    this.watch()
  }

  /** Whether the connection is to end with this response. */
  get isLast(): boolean {
    // node loses what was pipelined behind an Upgrade that is ignored: the next bytes it gets could
    // be the middle of a request, and be taken for its beginning.
    if (this.#hasUpgrade || this.req.httpVersionMinor === 0) return true
    // What was pipelined behind it was sent in good faith, and is answered first.
    if (this.connection.isLeaving && this.connection.pending <= 1) return true
    return this.body?.isBurden ?? false
  }

  #locate(raw: string, hostHeader: string | undefined, isHttp10: boolean): void {
    const { connection, method } = this
    let forwardedAuthority: string | undefined
    if (connection.isTrusted) {
      const forwarded = this.#context.proxies.read(connection.peer, this.rawHeaders)
      this.clientAddress = forwarded.clientAddress
      this.scheme = forwarded.scheme ?? 'http'
      forwardedAuthority = forwarded.authority
    }
    const absolute = raw.charCodeAt(0) === SLASH ? null : splitAbsoluteTarget(raw)
    const host = hostHeader ?? (isHttp10 ? hostOf(absolute, this.req.socket) : undefined)
    if (host === undefined) throw new FezzError('BAD_REQUEST', 'The request has no Host header')
    const authority = normaliseAuthority(host, this.scheme)
    // RFC 9112, section 3.2.2 lets the target win over Host. Two names for one request can only
    // mislead whoever routed it here, so they must agree.
    if (absolute !== null && normaliseAuthority(absolute.authority, this.scheme) !== authority) {
      throw new FezzError('BAD_REQUEST', 'The request target and the Host header disagree')
    }
    this.authority = forwardedAuthority ?? authority
    this.target =
      raw === '*' && method === 'OPTIONS' ? raw : normaliseTarget(absolute?.target ?? raw)
  }
}

/** HTTP/1.0 may come without a Host header: then it is the target's, or the address it came to. */
function hostOf(absolute: { authority: string } | null, socket: Socket): string {
  if (absolute !== null) return absolute.authority
  const address = plainAddress(socket.localAddress ?? 'localhost')
  return `${address.includes(':') ? `[${address}]` : address}:${socket.localPort ?? 80}`
}
