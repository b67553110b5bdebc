import { type buildConnector, Client, type Dispatcher, Pool } from 'undici'
import type { Clock } from '../../clock.ts'
import { type Address, authorityOf } from './address.ts'
import { dial } from './dial.ts'

/**
 * How long a connection is kept that nothing uses. Short, because a server may close one just when
 * it is used again, and some do so after 2 s; a new one to the same machine costs next to nothing.
 */
const KEEP_ALIVE_MS = 1_000
const CONNECT_TIMEOUT_MS = 10_000
const MAX_HEAD_BYTES = 65_536

/** A request as it is sent. */
export interface OutgoingRequest {
  readonly method: string
  /** Path and query. */
  readonly target: string
  /** Name, value, name, value, ...: end-to-end fields, `host` among them. */
  readonly fields: string[]
  /** Chunked unless there is a `content-length` in `fields`. */
  readonly body: Uint8Array | AsyncIterable<Uint8Array> | null
}

/** Who is told of a response. */
export type ResponseHandler = Dispatcher.DispatchHandler

/** By which the response can be slowed down, and the request given up. */
export type ResponseController = Dispatcher.DispatchController

/** The connections to one server: kept, and used again. Each serves one request at a time. */
export class Connections {
  readonly #origin: string
  readonly #options: Client.Options
  readonly #pool: Pool

  constructor(address: Address, clock: Clock) {
    this.#origin = `http://${authorityOf(address)}`
    this.#options = {
      ...('socketPath' in address && { connect: connectorTo(address, clock) }),
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
      connectTimeout: CONNECT_TIMEOUT_MS,
      maxHeaderSize: MAX_HEAD_BYTES,
      // The host has deadlines of its own.
      headersTimeout: 0,
      bodyTimeout: 0,
      allowH2: false,
    }
    this.#pool = new Pool(this.#origin, { ...this.#options, connections: null })
  }

  /** Sends `request` on a connection that is free, or on a new one; `handler` hears the rest. */
  send(request: OutgoingRequest, handler: ResponseHandler): void {
    dispatch(this.#pool, request, handler)
  }

  /** {@link send} on a connection that has not been used before, and is not used again. */
  sendAlone(request: OutgoingRequest, handler: ResponseHandler): void {
    const client = new Client(this.#origin, this.#options)
    dispatch(client, request, handler)
    // Waits for what was sent; rejects never.
    void client.close()
  }

  /** Cuts all connections; what is under way fails. */
  close(): Promise<void> {
    return this.#pool.destroy()
  }
}

function connectorTo(address: Address, clock: Clock): buildConnector.connector {
  return (_options, callback) => {
    dial(address, clock, callback)
  }
}

function dispatch(
  dispatcher: Dispatcher,
  { method, target, fields, body }: OutgoingRequest,
  handler: ResponseHandler,
): void {
  dispatcher.dispatch(
    {
      method,
      path: target,
      headers: fields,
      // The types know no iterables, the documentation does.
      body: body as Uint8Array | null,
      // Undici would else end the connection after a DELETE with a body. After HEAD it is to: a server
      // that sends a body all the same must not have it taken for the answer to somebody else.
      reset: method === 'HEAD',
    },
    handler,
  )
}
