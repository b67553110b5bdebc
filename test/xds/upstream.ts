import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/** A small host behind Envoy that tells who it is, and counts. */
export class Upstream implements AsyncDisposable {
  readonly name: string
  /** Requests, health checks left out. */
  count = 0
  /** What `/_health` answers. */
  health = 200
  /** How long that takes, in milliseconds. */
  healthAfterMs = 0
  /** What happens to a request instead of an answer. */
  onRequest: ((request: IncomingMessage, response: ServerResponse) => void) | undefined
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(name: string) {
    this.name = name
    this.#server = createServer((request, response) => this.#serve(request, response))
    this.#server.on('connection', socket => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  static async start(name: string): Promise<Upstream> {
    const upstream = new Upstream(name)
    await new Promise<void>(resolve => upstream.#server.listen(0, '127.0.0.1', resolve))
    return upstream
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** As the kernel does it when the process is killed: nobody listens, all connections are reset. */
  die(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) this.die()
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    if (request.url === '/_health') {
      const answer = () => response.writeHead(this.health).end()
      if (this.healthAfterMs > 0) setTimeout(answer, this.healthAfterMs)
      else answer()
      return
    }
    this.count++
    request.resume()
    if (this.onRequest !== undefined) {
      this.onRequest(request, response)
      return
    }
    const { method, url, headers } = request
    response.end(JSON.stringify({ name: this.name, method, url, headers }))
  }
}
