import { createServer, type Server, type Socket } from 'node:net'
import { Answers } from '../answers.ts'
import { ConnectionLimits } from '../connection-limits.ts'
import { drainPort } from '../drain-port.ts'
import { plainAddress, TrustedProxies } from '../forwarded.ts'
import { Handshakes } from '../handshakes.ts'
import type { Listener, ListenerAddress, ListenerOptions } from '../listener.ts'
import { openPort, tlsOptions } from '../open-port.ts'
import { Connection } from './connection.ts'
import type { EngineContext } from './engine-context.ts'
import { Turns } from './turns.ts'
import { Wheel } from './wheel.ts'

/** How late a timeout may be noticed. */
const TICK_MS = 50

/** One HTTP/1.1 port with nothing between the socket and the handler but this folder. */
export class EngineListener implements Listener {
  readonly #options: ListenerOptions
  readonly #server: Server
  readonly #context: EngineContext
  readonly #limits: ConnectionLimits
  readonly #open = new Set<Connection>()
  readonly #handshakes: Handshakes | undefined
  #stopped: Promise<void> | undefined
  #drained: Promise<void> | undefined
  #closed: Promise<void> | undefined

  /** @throws FezzError `INVALID_CONFIG` for a wrong trusted proxy */
  constructor(options: ListenerOptions) {
    this.#options = options
    this.#context = {
      options,
      proxies: new TrustedProxies(options.trustedProxies),
      answers: new Answers(options),
      wheel: new Wheel(TICK_MS),
      turns: new Turns(),
    }
    this.#limits = new ConnectionLimits(options.maxConnections, options.maxAddressConnections)
    const { tls, headersTimeoutMs } = options
    // A client that has sent all it will may still wait for its answer.
    const common = { allowHalfOpen: true, noDelay: true }
    this.#server =
      tls === undefined
        ? createServer(common)
        : // Not imported, for it takes time to load.
          process.getBuiltinModule('node:tls').createServer({
            ...common,
            ...tlsOptions(tls),
            handshakeTimeout: headersTimeoutMs,
          })
    this.#server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) =>
      this.#add(socket),
    )
    if (tls !== undefined) this.#handshakes = new Handshakes(this.#server)
    // Who fails the handshake has asked for nothing yet.
    this.#server.on('tlsClientError', (_error, socket: Socket) => socket.destroy())
  }

  listen(): Promise<ListenerAddress> {
    return openPort(this.#server, this.#options)
  }

  get connections(): number {
    let size = 0
    // A destroyed one is gone for the server a turn before its `close` says so.
    for (const { socket } of this.#open) if (!socket.destroyed) size++
    return size
  }

  drain(lingerMs: number): Promise<void> {
    this.#drained ??= this.#drain(lingerMs)
    return this.#drained
  }

  async #drain(lingerMs: number): Promise<void> {
    const leave = (): void => this.#leave(lingerMs)
    await drainPort(this.#server, lingerMs, leave, () => this.#stop())
    this.#context.wheel.close()
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    const stopped = this.#stop()
    for (const { socket } of this.#open) socket.destroy()
    this.#handshakes?.destroy()
    await stopped
    this.#context.wheel.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Closes the port, and waits for the connections; resolves at once when it is not open. */
  #stop(): Promise<void> {
    // A turn later, because a server hears of its last connection's end before the socket does.
    this.#stopped ??= new Promise(resolve => {
      this.#server.close(() => setImmediate(resolve))
    })
    return this.#stopped
  }

  #leave(lingerMs: number): void {
    for (const connection of this.#open) connection.leave(lingerMs)
  }

  #add(socket: Socket): void {
    const rejection = this.#limits.admit(socket, plainAddress(socket.remoteAddress ?? ''))
    if (socket.destroyed) return
    const connection = new Connection(socket, this.#context, rejection)
    this.#open.add(connection)
    socket.once('close', () => this.#open.delete(connection))
  }
}
