import type { IncomingMessage, ServerResponse } from 'node:http'
import { FezzError } from '../../errors.ts'
import { unserved } from '../answers.ts'
import { tooLarge } from '../body-sink.ts'
import type { TrustedProxies } from '../forwarded.ts'
import { readHead } from '../head.ts'
import type { ListenerOptions } from '../listener.ts'
import { LocatedRequest } from '../located-request.ts'
import { unknownVersion } from '../unknown-version.ts'
import { findField } from '../web/fields.ts'
import { type Connection, type Connections, connectionOf } from './connections.ts'
import { IncomingBody } from './incoming-body.ts'

/** What an {@link Exchange} needs of its listener. */
export interface ExchangeContext {
  readonly connections: Connections
  readonly proxies: TrustedProxies
  readonly limits: ListenerOptions
}

/** One request and its response over node:http, from the head of the one to the end of the other. */
export class Exchange extends LocatedRequest {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly connection: Connection
  readonly method: string
  readonly rawHeaders: readonly string[]
  body: IncomingBody | null = null
  readonly #context: ExchangeContext
  #hasUpgrade = false
  #isWatched = false
  #abortListeners: (() => void)[] | undefined

  constructor(req: IncomingMessage, res: ServerResponse, context: ExchangeContext) {
    const connection = connectionOf(req.socket)
    super(connection)
    this.req = req
    this.res = res
    this.connection = connection
    this.method = req.method as string
    this.rawHeaders = req.rawHeaders
    this.#context = context
    connection.served++
    connection.bytesSeen = req.socket.bytesRead
    connection.upload = null
  }

  get requestId(): string | undefined {
    return findField(this.rawHeaders, 'x-request-id')
  }

  /**
   * Reads and validates the head.
   *
   * @param awaitsContinue whether the client waits for `100 Continue`
   * @param expectation what else it expects
   * @throws FezzError for what this host does not serve; the connection is to be closed then
   */
  open(awaitsContinue: boolean, expectation: string | undefined): void {
    const { req } = this
    const { maxBodyBytes, maxTargetBytes, maxHeaders } = this.#context.limits
    if (req.httpVersionMajor !== 1 || req.httpVersionMinor > 1) throw unknownVersion()
    const isHttp10 = req.httpVersionMinor === 0
    const head = readHead(this.rawHeaders, isHttp10, maxHeaders)
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
    const refusal = unserved(this.method, expectation)
    if (refusal !== undefined) throw refusal
    if (head.webSocket) throw new FezzError('NOT_IMPLEMENTED', 'WebSocket is not served')
    this.locate(raw, head.host, isHttp10, this.connection, this.#context.proxies)
    if (head.bodyBytes > maxBodyBytes) throw tooLarge(maxBodyBytes)
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
    const { maxConnectionRequests } = this.#context.limits
    if (maxConnectionRequests > 0 && this.connection.served >= maxConnectionRequests) return true
    // What was pipelined behind it was sent in good faith, and is answered first.
    if (this.connection.isLeaving && this.connection.pending <= 1) return true
    return this.body?.isBurden ?? false
  }
}
