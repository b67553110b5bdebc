import type { OutputStream } from '../output-log.ts'

const HEAD_BYTES = 8
const STDERR = 2

/**
 * Takes apart what a container prints: the engine sends it in frames of a byte for the stream,
 * three zeros, a length of 32 bits and as many bytes.
 */
export class PrintedFrames {
  readonly #print: (stream: OutputStream, bytes: Buffer) => void
  #head = Buffer.alloc(0)
  #left = 0
  #stream: OutputStream = 'stdout'

  constructor(print: (stream: OutputStream, bytes: Buffer) => void) {
    this.#print = print
  }

  /** Takes what has come, cut anywhere. */
  push(chunk: Buffer): void {
    let rest = chunk
    while (rest.length > 0) {
      rest = this.#left > 0 ? this.#pushBody(rest) : this.#pushHead(rest)
    }
  }

  #pushHead(chunk: Buffer): Buffer {
    const missing = HEAD_BYTES - this.#head.length
    this.#head = Buffer.concat([this.#head, chunk.subarray(0, missing)])
    if (this.#head.length === HEAD_BYTES) {
      this.#stream = this.#head[0] === STDERR ? 'stderr' : 'stdout'
      this.#left = this.#head.readUInt32BE(4)
      this.#head = Buffer.alloc(0)
    }
    return chunk.subarray(missing)
  }

  #pushBody(chunk: Buffer): Buffer {
    const body = chunk.subarray(0, this.#left)
    this.#left -= body.length
    this.#print(this.#stream, body)
    return chunk.subarray(body.length)
  }
}
