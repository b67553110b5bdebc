import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** Where a proxy passes connections on to. */
export interface TcpProxyOptions {
  readonly port: number
  /** Default 127.0.0.1. */
  readonly host?: string
}

/** Starts a proxy in front of a server, on a port of its own on 127.0.0.1. */
export async function startTcpProxy(options: TcpProxyOptions): Promise<TcpProxy> {
  const proxy = new TcpProxy(options)
  await proxy.heal()
  return proxy
}

/** A network that can be broken: what goes over TCP to a server goes through it. */
export class TcpProxy implements AsyncDisposable {
  readonly #target: { readonly port: number; readonly host: string }
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined
  #port = 0
  #frozen = false
  #connections = 0
  #bytesUp = 0
  #bytesDown = 0

  constructor({ port, host = '127.0.0.1' }: TcpProxyOptions) {
    this.#target = { port, host }
  }

  /** Where it listens; the same after {@link cut} and {@link heal}. */
  get port(): number {
    return this.#port
  }

  /** How many connections it has accepted so far. */
  get connections(): number {
    return this.#connections
  }

  /** How many connections are open now. */
  get open(): number {
    let clients = 0
    for (const socket of this.#sockets) if (socket.localPort === this.#port) clients++
    return clients
  }

  /** What clients have sent so far, in bytes. */
  get bytesUp(): number {
    return this.#bytesUp
  }

  /** What the server has sent so far, in bytes. */
  get bytesDown(): number {
    return this.#bytesDown
  }

  /** Resets all connections and refuses new ones, as a machine does where nothing listens. */
  async cut(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    for (const socket of this.#sockets) socket.resetAndDestroy()
    if (server === undefined) return
    const closed = once(server, 'close')
    server.close()
    await closed
  }

  /** Resets all connections, and goes on accepting new ones. */
  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  /** Listens again after {@link cut}, on the same port. */
  async heal(): Promise<void> {
    if (this.#server !== undefined) return
    const server = createServer({ allowHalfOpen: true }, client => this.#accept(client))
    this.#server = server
    server.listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
    this.#port = (server.address() as AddressInfo).port
  }

  /** Passes nothing on any more, in either direction, and says nothing of it: a black hole. */
  freeze(): void {
    this.#frozen = true
    for (const socket of this.#sockets) socket.pause()
  }

  /** Passes on again, also what has been sent since {@link freeze}. */
  thaw(): void {
    this.#frozen = false
    for (const socket of this.#sockets) socket.resume()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.cut()
  }

  #accept(client: Socket): void {
    this.#connections++
    const server = connect({ ...this.#target, allowHalfOpen: true })
    this.#join(client, server, bytes => {
      this.#bytesUp += bytes
    })
    this.#join(server, client, bytes => {
      this.#bytesDown += bytes
    })
  }

  #join(from: Socket, to: Socket, count: (bytes: number) => void): void {
    this.#sockets.add(from)
    from.setNoDelay(true)
    // One that is paused stays so, whatever the other side does; `pipe` would resume it.
    from.on('data', (chunk: Buffer) => {
      count(chunk.length)
      if (to.write(chunk)) return
      from.pause()
      to.once('drain', () => {
        if (!this.#frozen) from.resume()
      })
    })
    from.on('end', () => to.end())
    from.on('error', () => {})
    from.on('close', hadError => {
      this.#sockets.delete(from)
      // An end that was not orderly is passed on as such, but not into a black hole.
      if (hadError || !from.readableEnded) to.resetAndDestroy()
    })
    if (this.#frozen) from.pause()
  }
}
