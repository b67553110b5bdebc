import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  ServerResponse,
} from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { FezzError } from '../../errors.ts'
import { Answers } from '../answers.ts'
import { cut } from '../cut.ts'
import { drainPort } from '../drain-port.ts'
import { TrustedProxies } from '../forwarded.ts'
import { Handshakes } from '../handshakes.ts'
import type { Listener, ListenerAddress, ListenerOptions, UpgradeHandler } from '../listener.ts'
import { openPort, tlsOptions } from '../open-port.ts'
import { unknownVersion } from '../unknown-version.ts'
import { IncomingRequest } from '../web/incoming-request.ts'
import { type Connection, Connections, connectionOf } from './connections.ts'
import { Exchange, type ExchangeContext } from './exchange.ts'
import { respond } from './respond.ts'

/** One HTTP/1.1 port over node:http. It takes no bound of `maxPipelined` but that of node itself. */
export class NodeListener implements Listener {
  readonly #options: ListenerOptions
  readonly #answers: Answers
  readonly #server: Server
  readonly #connections: Connections
  readonly #handshakes: Handshakes | undefined
  readonly #context: ExchangeContext
  #stopped: Promise<void> | undefined
  #drained: Promise<void> | undefined
  #closed: Promise<void> | undefined

  /** @throws FezzError `INVALID_CONFIG` for a wrong trusted proxy */
  constructor(options: ListenerOptions) {
    this.#options = options
    this.#answers = new Answers(options)
    const proxies = new TrustedProxies(options.trustedProxies)
    this.#connections = new Connections(proxies, options, connection =>
      this.#onSlowBody(connection),
    )
    this.#context = { connections: this.#connections, proxies, limits: options }
    const { tls } = options
    this.#server =
      tls === undefined
        ? createServer(serverOptions(options))
        : // Not imported, for it takes time to load.
          process.getBuiltinModule('node:https').createServer({
            ...serverOptions(options),
            ...tlsOptions(tls),
          })
    if (tls !== undefined) this.#handshakes = new Handshakes(this.#server)
    // 0: no bound. With one, node drops the headers past it and serves what is left.
    this.#server.maxHeadersCount = 0
    this.#server.timeout = options.responseStallTimeoutMs
    this.#server
      .on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) =>
        this.#connections.add(socket),
      )
      .on('request', (req, res) => this.#serve(req, res, false))
      .on('checkContinue', (req, res) => this.#serve(req, res, true))
      .on('checkExpectation', (req, res) => this.#serve(req, res, false, req.headers.expect))
      .on('connect', (_req, socket) => this.#refuseConnect(socket as Socket))
      .on('upgrade', (req, socket, head) => this.#upgrade(req, socket, head))
      .on('clientError', (error, socket) => this.#onClientError(error, socket as Socket))
      .on('timeout', socket => this.#onTimeout(socket))
  }

  listen(): Promise<ListenerAddress> {
    return openPort(this.#server, this.#options)
  }

  get connections(): number {
    return this.#connections.size
  }

  drain(lingerMs: number): Promise<void> {
    this.#drained ??= this.#drain(lingerMs)
    return this.#drained
  }

  async #drain(lingerMs: number): Promise<void> {
    const leave = (): void => this.#connections.leave(lingerMs)
    await drainPort(this.#server, lingerMs, leave, () => this.#stop())
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
    this.#handshakes?.destroy()
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

  #serve(
    req: IncomingMessage,
    res: ServerResponse,
    awaitsContinue: boolean,
    expectation?: string,
  ): void {
    const exchange = new Exchange(req, res, this.#context)
    let result: Response | Promise<Response>
    try {
      const { refusal } = exchange.connection
      if (refusal !== undefined) throw refusal
      exchange.open(awaitsContinue, expectation)
    } catch (error) {
      const response = this.#answers.refusal(error as FezzError, exchange.requestId)
      respond(exchange, response, true, this.#answers.log)
      return
    }
    try {
      result = this.#answers.serve(exchange)
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
      respond(exchange, response, false, this.#answers.log)
    } catch (error) {
      this.#fail(exchange, error)
    }
  }

  /** The handler threw, which it must not, or returned what cannot be sent. */
  #fail(exchange: Exchange, cause: unknown): void {
    if (exchange.res.headersSent) {
      this.#answers.logFailure(exchange, cause)
      exchange.res.destroy()
      return
    }
    respond(exchange, this.#answers.failed(exchange, cause), false, this.#answers.log)
  }

  #upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    const res = new ServerResponse(req)
    const exchange = new Exchange(req, res, this.#context)
    try {
      exchange.open(false, undefined)
    } catch (error) {
      this.#refuseSocket(socket as Socket, error as FezzError, exchange.requestId)
      return
    }
    // node decided by the same header that this reads.
    const handler = upgradeOf(req, this.#options) as UpgradeHandler
    handler(new IncomingRequest(exchange), socket, head)
  }

  /** node has let go of this socket: there is nothing left that could order our answer. */
  #refuseConnect(socket: Socket): void {
    this.#refuseSocket(socket, new FezzError('NOT_IMPLEMENTED', 'CONNECT is not served'))
  }

  #onClientError(error: ParserError, socket: Socket): void {
    const refusal = refusalOf(error)
    // A connection that sent nothing has asked for no answer; one without a TLS handshake is none.
    if (refusal === undefined || socket.bytesRead === 0 || connectionOf(socket) === undefined) {
      socket.destroy()
    } else if (!socket.writable) {
      // The last response may still be on its way out.
      socket.destroySoon()
    } else {
      this.#refuseSocket(socket, refusal)
    }
  }

  /** node calls it for idle connections too, and leaves all to whoever listens. */
  #onTimeout(socket: Socket): void {
    if (socket.writableLength > 0) {
      this.#answers.reject(new FezzError('RESPONSE_STALLED', 'The client does not read'))
      // The system would go on offering it what it has for minutes, at megabytes a connection.
      cut(socket)
    } else if (connectionOf(socket)?.isIdle === true) {
      socket.destroySoon()
    }
  }

  #onSlowBody({ socket }: Connection): void {
    this.#refuseSocket(socket, new FezzError('REQUEST_TIMEOUT', 'The body arrives too slowly'))
  }

  #refuseSocket(socket: Socket, error: FezzError, receivedId?: string): void {
    connectionOf(socket)?.refuse(() => this.#answers.refusalMessage(error, receivedId))
  }
}

/** What `clientError` tells. */
interface ParserError extends NodeJS.ErrnoException {
  readonly reason?: string
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
    shouldUpgradeCallback: req => upgradeOf(req, options) !== undefined,
  }
}

function upgradeOf(req: IncomingMessage, options: ListenerOptions): UpgradeHandler | undefined {
  return options.upgrades?.get(req.headers.upgrade?.trim().toLowerCase() ?? '')
}

/** What the parser's error codes mean to a client; `undefined`: the connection itself failed. */
function refusalOf({ code, reason }: ParserError): FezzError | undefined {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new FezzError('HEADERS_TOO_LARGE', 'The request head is too large')
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new FezzError('PAYLOAD_TOO_LARGE', 'The chunk extensions are too large')
    case 'HPE_INVALID_VERSION':
      // It also stands for a line that does not end as it should.
      if (reason === 'Invalid HTTP version') return unknownVersion()
      break
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new FezzError('REQUEST_TIMEOUT', 'The request did not arrive in time')
  }
  if (code?.startsWith('HPE_') !== true) return undefined
  return new FezzError('BAD_REQUEST', 'The request is not well-formed HTTP/1.1')
}
