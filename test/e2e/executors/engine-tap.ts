import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

const REQUEST_LINE = /^(?:GET|POST|PUT|DELETE|HEAD) \S+ HTTP\/1\.1\r$/gm

/** Stands between a host and its engine, and counts what is asked of that. */
export class EngineTap implements AsyncDisposable {
  /** First lines of all requests so far. */
  readonly calls: string[] = []
  readonly endpoint: string
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(path: string, target: string) {
    this.endpoint = `unix://${path}`
    this.#server = createServer(socket => this.#serve(socket, connect(target))).listen(path)
  }

  /** @param path of its unix socket @param target that of the engine */
  static async open(path: string, target: string): Promise<EngineTap> {
    const tap = new EngineTap(path, target)
    await once(tap.#server, 'listening')
    return tap
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #serve(client: Socket, engine: Socket): void {
    client.on('data', bytes => {
      for (const [line] of bytes.toString('latin1').matchAll(REQUEST_LINE)) this.calls.push(line)
    })
    const ends = [client, engine]
    for (const socket of ends) {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        this.#sockets.delete(socket)
        for (const end of ends) end.destroy()
      })
    }
    client.pipe(engine).pipe(client)
  }
}
