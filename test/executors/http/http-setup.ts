import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createPeer, type Server, type Socket } from 'node:net'
import { systemClock } from '../../../src/clock.ts'
import {
  HttpInstance,
  type HttpInstanceOptions,
} from '../../../src/executors/http/http-instance.ts'
import type { FunctionContext, Instance } from '../../../src/function/contract.ts'
import { type IncomingRequest, toIncoming } from '../../../src/http/web/incoming-request.ts'
import { createLogger } from '../../../src/telemetry/logger.ts'

/** What a function's context holds in these tests. */
export const context: FunctionContext = {
  functionId: 'fixture',
  version: 'v7',
  env: {},
  log: createLogger({ level: 'silent' }),
  params: {},
  requestId: 'request-1',
  traceparent: undefined,
  clientAddress: '192.0.2.1',
  signal: new AbortController().signal,
  waitUntil() {},
  passThroughOnException() {},
}

/** A server on a port of its own, and an instance over it; both end together. */
export class Served implements AsyncDisposable {
  readonly instance: HttpInstance
  readonly port: number
  /** Connections that it has seen so far. */
  connections = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  constructor(server: Server, options: Partial<HttpInstanceOptions> = {}) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
    server.on('connection', (socket: Socket) => {
      this.connections++
      this.#sockets.add(socket)
      socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket))
    })
    this.instance = new HttpInstance({
      address: { host: '127.0.0.1', port: this.port },
      end: async () => {},
      exited: new Promise(() => {}),
      clock: systemClock,
      ...options,
    })
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#sockets.size
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.instance.unload()
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

/** An instance over a server of node:http. */
export async function serve(
  listener: RequestListener,
  options?: Partial<HttpInstanceOptions>,
): Promise<Served> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return new Served(server, options)
}

/** An instance over a peer that does with its connections what it likes. */
export async function servePeer(
  onConnection: (socket: Socket) => void,
  options?: Partial<HttpInstanceOptions>,
): Promise<Served> {
  const server = createPeer(onConnection).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return new Served(server, options)
}

/** A request as the host hands it on. */
export function incoming(target: string, init: RequestInit = {}): IncomingRequest {
  return toIncoming(new Request(`http://functions.example${target}`, init))
}

/** One call; what `fetch` throws becomes a rejection. */
export async function call(
  instance: Instance,
  target: string,
  init: RequestInit = {},
  more: Partial<FunctionContext> = {},
): Promise<Response> {
  return instance.fetch(incoming(target, init), { ...context, ...more })
}
