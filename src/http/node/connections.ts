import type { Socket } from 'node:net'
import type { FezzError } from '../../errors.ts'
import { ConnectionLimits, REFUSED_MS } from '../connection-limits.ts'
import { plainAddress, type TrustedProxies } from '../forwarded.ts'
import { BODY_RATE_WINDOW_MS, type ListenerOptions } from '../listener.ts'
import type { Peer } from '../located-request.ts'
import type { Exchange } from './exchange.ts'

/** Time for a client to read a refusal before its connection is cut. */
const REFUSAL_MS = 1_000

const CONNECTION = Symbol('connection')
type CarryingSocket = Socket & { [CONNECTION]: Connection }

/** What the listener remembers of one open connection. */
export class Connection implements Peer {
  readonly socket: Socket
  readonly scheme: 'http' | 'https'
  readonly address: string
  readonly isTrusted: boolean
  lastHost: string | undefined
  lastAuthority = ''
  /** Why its first request is to be refused. */
  refusal: FezzError | undefined
  /** Requests it has brought. */
  served = 0
  /** `socket.bytesRead` when the rate of its body was last looked at; -1: it had none. */
  rateSeen = -1
  /** Requests without a complete response. One that was answered at once is never counted. */
  pending = 0
  /** `socket.bytesRead` when the last request was dealt with; more since: another is arriving. */
  bytesSeen = 0
  /** Whether it ends with its next response. */
  isLeaving = false
  /** The last exchange, if its request has a body. */
  upload: Exchange | null = null
  /** The last response of the connection has begun, and says so. */
  isEnding = false
  #endsWhenDone = false
  #isRefused = false

  constructor(socket: Socket, scheme: 'http' | 'https', proxies: TrustedProxies) {
    this.socket = socket
    this.scheme = scheme
    this.address = plainAddress(socket.remoteAddress ?? '')
    this.isTrusted = proxies.trusts(this.address)
  }

  /** Nothing in flight, nothing arriving. */
  get isIdle(): boolean {
    return this.pending === 0 && this.socket.bytesRead === this.bytesSeen
  }

  /**
   * Answers what is not well-formed HTTP, and ends the connection. Nothing is written where the
   * client could take it for the answer to another request: when responses are still to come, these
   * go out and the connection ends; when the broken body is of a request that is answered already,
   * it ends at once. So it does when its last response, already begun, waits for a broken body.
   *
   * @param message gives a whole HTTP message; not called when the connection is ending anyway
   */
  refuse(message: () => string): void {
    const { upload, pending, socket } = this
    const isMidBody = upload !== null && !upload.req.complete
    if (this.isEnding) {
      // The response under way may be made of that body, and would wait for the rest for ever.
      if (isMidBody && !this.#isRefused) socket.destroySoon()
      return
    }
    this.isEnding = true
    this.#isRefused = true
    const text = message()
    if (isMidBody && (pending > 1 || upload.res.headersSent)) {
      socket.destroy()
    } else if (pending > 0 && !isMidBody) {
      this.#endsWhenDone = true
    } else {
      socket.end(text)
      // Not at once: closing a socket with unread input resets it, and the message may be lost.
      const timer = setTimeout(() => socket.destroy(), REFUSAL_MS)
      socket.once('close', () => clearTimeout(timer))
    }
  }

  /** Whether less than `leastBytes` of a body that is being read have come since the last call. */
  isSlow(leastBytes: number): boolean {
    const { upload, socket, rateSeen } = this
    const isReading = upload !== null && !upload.req.complete && !upload.req.isPaused()
    this.rateSeen = isReading ? socket.bytesRead : -1
    return isReading && rateSeen >= 0 && socket.bytesRead - rateSeen < leastBytes
  }

  /** A response that was {@link pending} is complete, or never will be. */
  done(): void {
    this.pending--
    this.bytesSeen = this.socket.bytesRead
    if (this.upload?.req.complete === true) this.upload = null
    if (this.pending === 0 && this.#endsWhenDone) this.socket.destroySoon()
  }
}

/** The connection of a socket that {@link Connections.add} has seen. */
export function connectionOf(socket: Socket): Connection {
  return (socket as CarryingSocket)[CONNECTION]
}

/** The open connections of a listener, and how they end. */
export class Connections {
  readonly #open = new Set<Connection>()
  readonly #proxies: TrustedProxies
  readonly #scheme: 'http' | 'https'
  readonly #limits: ConnectionLimits
  #lingerMs = 0
  #rateTimer: NodeJS.Timeout | undefined

  /** @param onSlowBody called with a connection whose body comes at less than `minBodyRateBytes` */
  constructor(
    proxies: TrustedProxies,
    options: ListenerOptions,
    onSlowBody: (connection: Connection) => void,
  ) {
    this.#proxies = proxies
    this.#scheme = options.tls === undefined ? 'http' : 'https'
    this.#limits = new ConnectionLimits(options.maxConnections, options.maxAddressConnections)
    if (options.minBodyRateBytes === 0) return
    const leastBytes = options.minBodyRateBytes * (BODY_RATE_WINDOW_MS / 1_000)
    this.#rateTimer = setInterval(() => {
      for (const connection of this.#open) {
        if (connection.isSlow(leastBytes)) onSlowBody(connection)
      }
    }, BODY_RATE_WINDOW_MS).unref()
  }

  get size(): number {
    let size = 0
    // A destroyed one is gone for the server a turn before its `close` says so.
    for (const { socket } of this.#open) if (!socket.destroyed) size++
    return size
  }

  add(socket: Socket): void {
    const connection = new Connection(socket, this.#scheme, this.#proxies)
    const carrier = socket as CarryingSocket
    carrier[CONNECTION] = connection
    connection.refusal = this.#limits.admit(socket, connection.address)
    if (connection.refusal !== undefined) {
      const timer = setTimeout(() => socket.destroy(), REFUSED_MS)
      socket.once('close', () => clearTimeout(timer))
    }
    this.#open.add(connection)
    socket.on('error', ignore)
    socket.once('close', () => this.#open.delete(connection))
  }

  /** See {@link Connection.done}. */
  done(connection: Connection): void {
    connection.done()
    // Its head may have been written before the drain, and then promises a connection that stays.
    if (connection.isLeaving) this.#linger(connection)
  }

  /** Each connection open now ends with its next response, or after `lingerMs` without one. */
  leave(lingerMs: number): void {
    this.#lingerMs = lingerMs
    for (const connection of this.#open) {
      if (connection.isLeaving) continue
      connection.isLeaving = true
      this.#linger(connection)
    }
  }

  /** Cuts all. */
  destroy(): void {
    clearInterval(this.#rateTimer)
    for (const { socket } of this.#open) socket.destroy()
  }

  #linger(connection: Connection): void {
    const { socket } = connection
    if (connection.pending > 0 || socket.destroyed) return
    const timer = setTimeout(() => {
      // After a turn that took long, timers come before what has arrived meanwhile is read.
      setImmediate(() => {
        if (connection.isIdle) socket.destroySoon()
      })
    }, this.#lingerMs)
    socket.once('close', () => clearTimeout(timer))
  }
}

/** Each error of a socket is followed by its `close`, which says all there is to know. */
function ignore(): void {}
