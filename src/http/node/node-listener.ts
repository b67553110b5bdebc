import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http'
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { FezzError, type FezzErrorCode } from '../../errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { TrustedProxies } from '../forwarded.ts'
import type { FetchHandler, Listener, ListenerAddress, ListenerOptions } from '../listener.ts'
import { problemMessage, problemResponse } from '../problem.ts'
import { requestIds } from '../request-id.ts'
import { findField } from '../web/fields.ts'
import { IncomingRequest } from '../web/incoming-request.ts'
import { FastResponse } from '../web/response.ts'
import { Connections, connectionOf } from './connections.ts'
import { ALLOW, Exchange, type ExchangeContext } from './exchange.ts'
import { respond } from './respond.ts'

/** {@link ListenerOptions}, and where the listener tells what it does on its own. */
export interface NodeListenerOptions extends ListenerOptions {
  /** Broken response streams at error, refused requests at debug. */
  readonly log?: Logger
  /** Called for each request that is refused before `fetch` sees it. */
  readonly onRejected?: (code: FezzErrorCode) => void
}

/** One HTTP/1.1 port over node:http. */
export class NodeListener implements Listener {
  readonly #options: NodeListenerOptions
  readonly #fetch: FetchHandler
  readonly #log: Logger | undefined
  readonly #server: Server
  readonly #connections: Connections
  readonly #context: ExchangeContext
  readonly #requestId = requestIds()
  #stopped: Promise<void> | undefined
  #drained: Promise<void> | undefined
  #closed: Promise<void> | undefined

  /** @throws FezzError `INVALID_CONFIG` for a wrong trusted proxy */
  constructor(options: NodeListenerOptions) {
    this.#options = options
    this.#fetch = options.fetch
    this.#log = options.log
    const proxies = new TrustedProxies(options.trustedProxies)
    this.#connections = new Connections(proxies)
    this.#context = {
      connections: this.#connections,
      proxies,
      maxBodyBytes: options.maxBodyBytes,
      maxTargetBytes: options.maxTargetBytes,
    }
    this.#server = createServer(serverOptions(options))
    if (options.maxConnections > 0) this.#server.maxConnections = options.maxConnections
    // 0: no bound. With one, node drops the headers past it and serves what is left.
    this.#server.maxHeadersCount = 0
    this.#server
      .on('connection', socket => this.#connections.add(socket))
      .on('request', (req, res) => this.#serve(req, res, false))
      .on('checkContinue', (req, res) => this.#serve(req, res, true))
      .on('checkExpectation', (req, res) => this.#refuseExpectation(req, res))
      .on('connect', (_req, socket) => this.#refuseConnect(socket as Socket))
      .on('clientError', (error, socket) => this.#onClientError(error, socket as Socket))
  }

  listen(): Promise<ListenerAddress> {
    const { host, port } = this.#options
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', reject)
        // Such as no file descriptors left for another connection: those that are open go on.
        this.#server.on('error', err => this.#log?.error({ err }, 'a connection was not accepted'))
        resolve({ host, port: (this.#server.address() as AddressInfo).port })
      })
    })
  }

  get connections(): number {
    return this.#connections.size
  }

  drain(lingerMs: number): Promise<void> {
    this.#drained ??= this.#drain(lingerMs)
    return this.#drained
  }

  async #drain(lingerMs: number): Promise<void> {
    this.#connections.leave(lingerMs)
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, this.#server.listening ? lingerMs : 0)
      this.#server.once('close', () => {
        clearTimeout(timer)
        resolve()
      })
    })
    // After a turn that took long, timers come before the connections that have waited meanwhile:
    // closing the port now would reset them, and with them requests that may not be sent twice.
    await nextTurn()
    const stopped = this.#stop()
    // Those that came meanwhile leave only now. Sent away earlier, clients that know no better come
    // back at once, and the port closes on whoever is in the kernel's queue at that moment.
    this.#connections.leave(lingerMs)
    await stopped
    // http's own close stops its timer; it is the last call because it drops idle sockets at once.
    this.#server.close()
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    const stopped = this.#stop()
    this.#connections.destroy()
    await stopped
    this.#server.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Closes the port, and waits for the connections; resolves at once when it is not open. */
  #stop(): Promise<void> {
    this.#stopped ??= new Promise(resolve => {
      // A turn later, because a server hears of its last connection's end before the socket does.
      NetServer.prototype.close.call(this.#server, () => setImmediate(resolve))
    })
    return this.#stopped
  }

  #serve(req: IncomingMessage, res: ServerResponse, awaitsContinue: boolean): void {
    const exchange = new Exchange(req, res, this.#context)
    try {
      exchange.open(awaitsContinue)
    } catch (error) {
      this.#refuse(exchange, error as FezzError)
      return
    }
    let result: Response | Promise<Response>
    try {
      result = exchange.isForServer
        ? this.#serverOptions(exchange)
        : this.#fetch(new IncomingRequest(exchange))
    } catch (error) {
      this.#fail(exchange, error)
      return
    }
    if (!(result instanceof Promise)) {
      this.#respond(exchange, result)
      return
    }
    exchange.watch()
    result.then(
      response => this.#respond(exchange, response),
      error => this.#fail(exchange, error),
    )
  }

  #respond(exchange: Exchange, response: Response): void {
    try {
      respond(exchange, response, false, this.#log)
    } catch (error) {
      this.#fail(exchange, error)
    }
  }

  /** The handler threw, which it must not, or returned what cannot be sent. */
  #fail(exchange: Exchange, cause: unknown): void {
    const requestId = this.#requestIdOf(exchange)
    this.#log?.error({ err: cause, requestId }, 'no response could be sent')
    if (exchange.res.headersSent) {
      exchange.res.destroy()
      return
    }
    const error = new FezzError('INTERNAL', 'The request failed', { cause })
    respond(exchange, problemResponse(error, requestId), false, this.#log)
  }

  #refuse(exchange: Exchange, error: FezzError): void {
    const requestId = this.#requestIdOf(exchange)
    this.#reject(error, requestId)
    respond(exchange, problemResponse(error, requestId), true, this.#log)
  }

  /** The answer to `OPTIONS *`. */
  #serverOptions(exchange: Exchange): Response {
    const headers = { allow: ALLOW, 'x-request-id': this.#requestIdOf(exchange) }
    return new FastResponse(null, { status: 204, headers })
  }

  #requestIdOf({ rawHeaders }: Exchange): string {
    return this.#requestId(findField(rawHeaders, 'x-request-id'))
  }

  #refuseExpectation(req: IncomingMessage, res: ServerResponse): void {
    const error = new FezzError('EXPECTATION_FAILED', 'The only Expect served is 100-continue')
    this.#refuse(new Exchange(req, res, this.#context), error)
  }

  /** node has let go of this socket: there is nothing left that could order our answer. */
  #refuseConnect(socket: Socket): void {
    this.#refuseSocket(socket, new FezzError('NOT_IMPLEMENTED', 'CONNECT is not served'))
  }

  #onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    const refusal = refusalOf(error.code)
    // A connection that sent nothing has asked for no answer.
    if (refusal === undefined || socket.bytesRead === 0) {
      socket.destroy()
    } else if (!socket.writable) {
      // The last response may still be on its way out.
      socket.destroySoon()
    } else {
      this.#refuseSocket(socket, refusal)
    }
  }

  #refuseSocket(socket: Socket, error: FezzError): void {
    const requestId = this.#requestId(undefined)
    const isFirst = connectionOf(socket).refuse(problemMessage(error, requestId))
    if (isFirst) this.#reject(error, requestId)
  }

  /** Counts and logs a refusal. */
  #reject(error: FezzError, requestId: string): void {
    this.#options.onRejected?.(error.code)
    this.#log?.debug({ code: error.code, detail: error.message, requestId }, 'request refused')
  }
}

function serverOptions(options: ListenerOptions): ServerOptions {
  const { headersTimeoutMs, requestTimeoutMs } = options
  // node refuses to start with a head that may take longer than the whole.
  const headersTimeout =
    requestTimeoutMs > 0 ? Math.min(headersTimeoutMs, requestTimeoutMs) : headersTimeoutMs
  return {
    maxHeaderSize: options.maxHeaderBytes,
    headersTimeout,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: options.keepAliveTimeoutMs,
    // How late a timeout may be noticed; node's default is 30 s.
    connectionsCheckingInterval: Math.max(20, Math.min(1_000, Math.floor(headersTimeout / 4))),
    insecureHTTPParser: false,
    // `readHead` does it, and tells HTTP/1.0 apart.
    requireHostHeader: false,
    // Requests without a body need none of a stream's life.
    optimizeEmptyRequests: true,
    // An Upgrade that is not taken up is ignored (RFC 9110, section 7.8).
    shouldUpgradeCallback: () => false,
  }
}

/** What the parser's error codes mean to a client; `undefined`: the connection itself failed. */
function refusalOf(code: string | undefined): FezzError | undefined {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new FezzError('HEADERS_TOO_LARGE', 'The request head is too large')
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new FezzError('PAYLOAD_TOO_LARGE', 'The chunk extensions are too large')
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new FezzError('REQUEST_TIMEOUT', 'The request did not arrive in time')
  }
  if (code?.startsWith('HPE_') !== true) return undefined
  return new FezzError('BAD_REQUEST', 'The request is not well-formed HTTP/1.1')
}
