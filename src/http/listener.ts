import type { Duplex } from 'node:stream'
import type { FezzErrorCode } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'

/** Answers one request; synchronous where it can be. Never throws. */
export type FetchHandler = (request: Request) => Response | Promise<Response>

/**
 * Takes over the connection of a request that asks for another protocol (RFC 9110, section 7.8). It
 * writes `101 Switching Protocols` itself, or another answer, and ends the connection. Unless it
 * listens to the socket's `data` before it returns, the socket is paused and waits for `resume()`.
 *
 * @param head what the client has sent already behind its request
 */
export type UpgradeHandler = (request: Request, socket: Duplex, head: Uint8Array) => void

/** Where a listener listens. */
export interface ListenerAddress {
  readonly host: string
  /** The real one, also when 0 was asked for; 0 for a Unix socket. */
  readonly port: number
}

/** One open HTTP port. `http/engine/` implements it, and `http/node/` over node:http. */
export interface Listener extends AsyncDisposable {
  /** Opens the port. @throws when it is taken or not allowed */
  listen(): Promise<ListenerAddress>
  /**
   * Ends it gracefully. Each connection open now gets `Connection: close` with its next response, or
   * is closed after `lingerMs` without a request. New connections are accepted for `lingerMs`, so
   * that a health check sees what goes on; then the port is closed, and they leave in the same way.
   * Resolves when no connection is left. Whoever cannot wait that long calls {@link close}.
   */
  drain(lingerMs: number): Promise<void>
  /** Cuts every connection. Idempotent. */
  close(): Promise<void>
  /** Open connections. */
  readonly connections: number
}

/** The implementations. */
export const LISTENER_KINDS = ['engine', 'node'] as const

export type ListenerKind = (typeof LISTENER_KINDS)[number]

/** Over what time the rate of a request body is measured, in milliseconds. */
export const BODY_RATE_WINDOW_MS = 5_000

/** Certificates in PEM. */
export interface ListenerTls {
  readonly cert: string | Uint8Array
  readonly key: string | Uint8Array
  /** Who signs the certificates of clients. With it, those without one are refused (mutual TLS). */
  readonly clientCa?: string | Uint8Array | undefined
}

/** Limits and habits of a listener; sizes in bytes, times in milliseconds. */
export interface ListenerOptions {
  readonly host: string
  readonly port: number
  /** Path of a Unix socket to listen on in place of host and port. */
  readonly path?: string | undefined
  /** Default: without TLS. */
  readonly tls?: ListenerTls | undefined
  readonly fetch: FetchHandler
  /** By protocol in lower case. WebSocket without a handler is refused, another Upgrade ignored. */
  readonly upgrades?: ReadonlyMap<string, UpgradeHandler> | undefined
  /** Broken response streams at error, refused requests at debug. */
  readonly log?: Logger
  /** Called for each request that is refused before `fetch` sees it, and each connection cut. */
  readonly onRejected?: (code: FezzErrorCode) => void
  /** Largest request body. */
  readonly maxBodyBytes: number
  /** Largest request head. */
  readonly maxHeaderBytes: number
  /** Most header fields of a request. */
  readonly maxHeaders: number
  /** Longest request target. */
  readonly maxTargetBytes: number
  /** Time for the request head to arrive. */
  readonly headersTimeoutMs: number
  /** Time for the whole request to arrive. */
  readonly requestTimeoutMs: number
  /** Least bytes a second of a body that is being read; 0: no bound. */
  readonly minBodyRateBytes: number
  /** Time in which a client must take some of its response; 0: no bound. */
  readonly responseStallTimeoutMs: number
  /** Idle time of a kept-alive connection. Longer than the idle timeout of a proxy in front. */
  readonly keepAliveTimeoutMs: number
  /** Requests of one connection, which ends with the last; 0: no bound. */
  readonly maxConnectionRequests: number
  /** Requests of one connection at once; more wait unread. */
  readonly maxPipelined: number
  /** Open connections at once; more are refused. 0: no bound. */
  readonly maxConnections: number
  /** Those of one address. 0: no bound. */
  readonly maxAddressConnections: number
  /** CIDR blocks or addresses whose `X-Forwarded-*` are believed. */
  readonly trustedProxies: readonly string[]
}
