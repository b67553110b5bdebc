import type { Socket } from 'node:net'

const LONGEST_LINE = 8_192

/** What a socket gets, by the line and by the byte. */
export class ByteReader {
  #bytes = Buffer.alloc(0)
  #error: Error | undefined
  #wake = (): void => {}

  constructor(socket: Socket) {
    socket.on('data', (chunk: Buffer<ArrayBuffer>) => {
      this.#bytes = this.available === 0 ? chunk : Buffer.concat([this.#bytes, chunk])
      this.#wake()
    })
    socket.on('error', error => this.#end(error))
    socket.on('end', () => this.#end(new Error('the connection has ended')))
    socket.on('close', () => this.#end(new Error('the connection is closed')))
  }

  /** Bytes that have come and were not read. */
  get available(): number {
    return this.#bytes.length
  }

  /** Whether nothing more will come. */
  get hasEnded(): boolean {
    return this.#error !== undefined
  }

  /** Up to CR LF, which is left out. @throws when the connection ends before it */
  async line(): Promise<string> {
    for (let from = 0; ; ) {
      const end = this.#bytes.indexOf('\r\n', from)
      if (end !== -1) {
        const line = this.#bytes.toString('latin1', 0, end)
        this.#bytes = this.#bytes.subarray(end + 2)
        return line
      }
      if (this.available > LONGEST_LINE) throw new Error('a line without an end')
      from = Math.max(0, this.available - 1)
      await this.#more()
    }
  }

  /** @throws when the connection ends before there are so many */
  async exactly(count: number): Promise<Buffer> {
    while (this.available < count) await this.#more()
    const bytes = this.#bytes.subarray(0, count)
    this.#bytes = this.#bytes.subarray(count)
    return bytes
  }

  #more(): Promise<void> {
    if (this.#error !== undefined) throw this.#error
    return new Promise((resolve, reject) => {
      this.#wake = () => (this.#error === undefined ? resolve() : reject(this.#error))
    })
  }

  #end(error: Error): void {
    this.#error ??= error
    this.#wake()
  }
}
