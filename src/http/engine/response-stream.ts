import { type Output, SLICE_BYTES } from './output.ts'
import type { Framing } from './response-head.ts'

/** How the sending of a stream has ended. */
export type StreamOutcome = 'complete' | 'left' | { readonly failure: unknown }

/** One streaming body on its way out: read as fast as the client takes it. */
export class ResponseStream {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  readonly #output: Output
  readonly #framing: Framing
  #rest: number
  #isCancelled = false
  #isBegun = false
  #proceed: (() => void) | undefined

  /** @param length its bytes, where `framing` is `length` */
  constructor(
    stream: ReadableStream<Uint8Array>,
    output: Output,
    framing: Framing,
    length: string | undefined,
  ) {
    this.#reader = stream.getReader()
    this.#output = output
    this.#framing = framing
    this.#rest = length === undefined ? Number.POSITIVE_INFINITY : Number(length)
  }

  /** Whether its head is out, or about to be. */
  get isBegun(): boolean {
    return this.#isBegun
  }

  /** Sends all of it behind `head`. Never rejects. */
  async send(head: string): Promise<StreamOutcome> {
    const output = this.#output
    const begin = (): void => {
      if (!this.#isBegun) output.text(head)
      this.#isBegun = true
    }
    // By itself only if the first chunk takes longer than this turn.
    const immediate = setImmediate(() => {
      begin()
      output.flush()
    })
    try {
      for (;;) {
        const { done, value } = await this.#reader.read()
        if (this.#isCancelled) return 'left'
        begin()
        if (done) break
        this.#count(value)
        // In pieces, by which a client is seen to take something.
        for (let at = 0; at < value.byteLength; at += SLICE_BYTES) {
          this.#send(value.subarray(at, at + SLICE_BYTES))
          if (output.mustWait) await this.#ready()
          if (this.#isCancelled) return 'left'
        }
      }
      if (this.#framing === 'length' && this.#rest > 0) {
        throw new RangeError(`The body is ${this.#rest} bytes shorter than its Content-Length`)
      }
      if (this.#framing === 'chunked') output.text('0\r\n\r\n')
      output.flush()
      return 'complete'
    } catch (failure) {
      if (this.#isCancelled) return 'left'
      this.#reader.cancel(failure).catch(() => {})
      return { failure }
    } finally {
      clearImmediate(immediate)
    }
  }

  /** The client has left. */
  cancel(): void {
    if (this.#isCancelled) return
    this.#isCancelled = true
    this.#reader.cancel(new Error('The client left')).catch(() => {})
    this.#proceed?.()
  }

  #count(value: unknown): void {
    if (!(value instanceof Uint8Array)) throw new TypeError('Received non-Uint8Array chunk')
    this.#rest -= value.byteLength
    if (this.#rest < 0) throw new RangeError('The body is longer than its Content-Length')
  }

  #send(value: Uint8Array): void {
    if (this.#framing === 'chunked') this.#output.chunk(value)
    else this.#output.bytes(value)
  }

  #ready(): Promise<void> {
    return new Promise(resolve => {
      this.#proceed = resolve
      this.#output.whenFree(resolve)
    })
  }
}
