/** Answers one request; synchronous where it can be. Never throws. */
export type FetchHandler = (request: Request) => Response | Promise<Response>

/** Where a listener listens. */
export interface ListenerAddress {
  readonly host: string
  /** The real one, also when 0 was asked for. */
  readonly port: number
}

/** One open HTTP port. `http/node/` implements it over node:http. */
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

/** Limits and habits of a listener; sizes in bytes, times in milliseconds. */
export interface ListenerOptions {
  readonly host: string
  readonly port: number
  readonly fetch: FetchHandler
  /** Largest request body. */
  readonly maxBodyBytes: number
  /** Largest request head. */
  readonly maxHeaderBytes: number
  /** Longest request target. */
  readonly maxTargetBytes: number
  /** Time for the request head to arrive. Longer than `keepAliveTimeoutMs`. */
  readonly headersTimeoutMs: number
  /** Time for the whole request to arrive. */
  readonly requestTimeoutMs: number
  /** Idle time of a kept-alive connection. Longer than the idle timeout of a proxy in front. */
  readonly keepAliveTimeoutMs: number
  /** Open connections at once; more are refused. 0: no bound. */
  readonly maxConnections: number
  /** CIDR blocks or addresses whose `X-Forwarded-*` are believed. */
  readonly trustedProxies: readonly string[]
}
