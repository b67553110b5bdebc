import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { ByteReader } from './byte-reader.ts'

const TIMEOUT_MS = 15_000

export interface Answer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
  /** Whether the connection ends with it. */
  readonly isLast: boolean
}

/**
 * A client's end of one HTTP/1.1 connection. It takes nothing that RFC 9112 does not have, and
 * nothing between answers: a byte too many or too few in one is an error, at the latest in the next.
 */
export class HttpClient {
  readonly socket: Socket
  readonly #reader: ByteReader

  private constructor(socket: Socket) {
    this.socket = socket
    this.#reader = new ByteReader(socket)
  }

  static async connect(port: number): Promise<HttpClient> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true })
    await once(socket, 'connect')
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error(`silent for ${TIMEOUT_MS} ms`)))
    return new HttpClient(socket)
  }

  /** Whether the next request can be sent on it. @throws when something came that was not asked for */
  get isUsable(): boolean {
    if (this.#reader.available > 0) throw new Error('there is more than what was asked for')
    return !this.#reader.hasEnded
  }

  send(...parts: readonly (string | Uint8Array)[]): void {
    this.socket.cork()
    for (const part of parts) this.socket.write(part)
    this.socket.uncork()
  }

  /**
   * The next answer, `100 Continue` too.
   *
   * @throws when it is none, or the connection ends before it does
   */
  async answer(method: string): Promise<Answer> {
    const line = await this.#reader.line()
    const status = Number(/^HTTP\/1\.1 (\d{3}) [ -~]*$/.exec(line)?.[1] ?? NaN)
    if (Number.isNaN(status)) throw new Error(`no status line: ${JSON.stringify(line)}`)
    const headers = await this.#fields()
    const isBare = status < 200 || status === 204 || status === 304 || method === 'HEAD'
    const body = isBare ? Buffer.alloc(0) : await this.#body(headers)
    return { status, headers, body, isLast: headers.get('connection')?.toLowerCase() === 'close' }
  }

  /** Says that nothing more will be sent, and goes when the other side does. */
  end(): void {
    this.socket.end()
  }

  destroy(): void {
    this.socket.destroy()
  }

  async #fields(): Promise<Map<string, string>> {
    const fields = new Map<string, string>()
    for (;;) {
      const line = await this.#reader.line()
      if (line === '') return fields
      const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? []
      if (name === undefined) throw new Error(`no header: ${JSON.stringify(line)}`)
      fields.set(name.toLowerCase(), value as string)
    }
  }

  async #body(headers: ReadonlyMap<string, string>): Promise<Buffer> {
    const length = headers.get('content-length')
    const coding = headers.get('transfer-encoding')
    if (coding === undefined && /^\d+$/.test(length ?? '')) {
      return this.#reader.exactly(Number(length))
    }
    if (coding?.toLowerCase() !== 'chunked' || length !== undefined) {
      throw new Error(`a body with the length ${length} and the coding ${coding}`)
    }
    const chunks: Buffer[] = []
    for (;;) {
      const line = await this.#reader.line()
      if (!/^[\da-f]+$/i.test(line)) throw new Error(`no size of a chunk: ${JSON.stringify(line)}`)
      const size = Number.parseInt(line, 16)
      if (size === 0) break
      chunks.push(await this.#reader.exactly(size))
      if ((await this.#reader.line()) !== '') throw new Error('a chunk is longer than its size')
    }
    await this.#fields()
    return Buffer.concat(chunks)
  }
}
