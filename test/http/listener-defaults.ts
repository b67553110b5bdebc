import type { ListenerOptions } from '../../src/http/listener.ts'

const KIB = 1024

/** Options of a listener in a test, on a free port of this machine. */
export const LISTENER_DEFAULTS: Omit<ListenerOptions, 'fetch'> = {
  host: '127.0.0.1',
  port: 0,
  maxBodyBytes: KIB * KIB,
  maxHeaderBytes: 16 * KIB,
  maxHeaders: 256,
  maxTargetBytes: 8 * KIB,
  headersTimeoutMs: 30_000,
  requestTimeoutMs: 30_000,
  minBodyRateBytes: 512,
  responseStallTimeoutMs: 60_000,
  keepAliveTimeoutMs: 20_000,
  maxConnectionRequests: 0,
  maxPipelined: 16,
  maxConnections: 0,
  maxAddressConnections: 0,
  trustedProxies: [],
}
