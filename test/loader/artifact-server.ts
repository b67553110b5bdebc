import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** An HTTP server that keeps what is PUT, and answers otherwise where a test wants it to. */
export class ArtifactServer implements AsyncDisposable {
  readonly files = new Map<string, Buffer>()
  /** Method, path and query of each request. */
  readonly requests: string[] = []
  readonly authorizations = new Set<string | undefined>()
  /** By path; asked before the files. Each is used for as long as it is there. */
  readonly answers = new Map<string, Answer>()
  gzip = false
  port = 0
  readonly #server = createServer((request, response) => this.#answer(request, response))

  static async start(): Promise<ArtifactServer> {
    const server = new ArtifactServer()
    server.#server.listen(0, '127.0.0.1')
    await once(server.#server, 'listening')
    server.port = (server.#server.address() as AddressInfo).port
    return server
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  countOf(method: string, path: string): number {
    return this.requests.filter(line => line.split('?')[0] === `${method} ${path}`).length
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url as string).split('?')[0] as string
    this.requests.push(`${request.method} ${request.url}`)
    this.authorizations.add(request.headers.authorization)
    const answer = this.answers.get(path)
    if (answer !== undefined) return answer(request, response)
    if (request.method === 'PUT') {
      this.files.set(path, await buffer(request))
      response.writeHead(201).end()
      return
    }
    const found = this.files.get(path)
    if (found === undefined) response.writeHead(404).end('no such file')
    else if (this.gzip) response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(found))
    else response.writeHead(200).end(found)
  }
}
