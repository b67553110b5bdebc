import type { Channel } from './channel.ts'
import {
  CHUNK_COST_BYTES,
  type ChunkMessage,
  type EndMessage,
  INITIAL_CREDIT_BYTES,
  MAX_CHUNK_BYTES,
} from './messages.ts'
import { toSentError } from './sent-error.ts'

/** Below it, copying costs less than moving. */
const MIN_TRANSFER_BYTES = 16_384

/** Sends a stream as fast as its receiver grants credit. */
export class SentBody {
  readonly #channel: Channel<ChunkMessage | EndMessage, unknown>
  readonly #id: number
  #creditBytes = 0
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  #wake: (() => void) | undefined
  #isOver = false

  /** @param creditBytes what may be sent before the first {@link grant} */
  constructor(
    channel: Channel<ChunkMessage | EndMessage, unknown>,
    id: number,
    creditBytes: number,
  ) {
    this.#channel = channel
    this.#id = id
    this.grant(creditBytes)
  }

  /** Allows `bytes` more, but no more at once than a receiver has at first: it may be hostile. */
  grant(bytes: number): void {
    this.#creditBytes = Math.min(this.#creditBytes + bytes, INITIAL_CREDIT_BYTES)
    this.#wake?.()
  }

  /** Cancels the stream: nobody reads it any more. */
  cancel(reason: unknown): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#reader?.cancel(reason).catch(() => {})
    this.#wake?.()
  }

  /** Sends all of `stream`, then its end or its failure. Never rejects. */
  async send(stream: ReadableStream<Uint8Array>): Promise<void> {
    try {
      const reader = stream.getReader()
      this.#reader = reader
      for (;;) {
        const { done, value } = await reader.read()
        if (this.#isOver) return
        if (done) break
        // Fetch, "read all bytes".
        if (!(value instanceof Uint8Array)) throw new TypeError('Received non-Uint8Array chunk')
        await this.#sendBytes(value)
      }
      this.#end({ type: 'end', id: this.#id })
    } catch (error) {
      this.#end({ type: 'end', id: this.#id, error: toSentError(error) })
      this.#reader?.cancel(error).catch(() => {})
    }
  }

  async #sendBytes(value: Uint8Array): Promise<void> {
    for (let at = 0; at < value.byteLength; at += MAX_CHUNK_BYTES) {
      while (!(this.#creditBytes > 0 || this.#isOver)) {
        await new Promise<void>(resolve => {
          this.#wake = resolve
        })
      }
      if (this.#isOver) return
      // A copy: a clone of a view takes its whole buffer along, and moving it would take it from
      // whoever made it.
      const bytes = new Uint8Array(value.subarray(at, at + MAX_CHUNK_BYTES))
      this.#creditBytes -= bytes.byteLength + CHUNK_COST_BYTES
      const isMoved = bytes.byteLength >= MIN_TRANSFER_BYTES
      this.#channel.send({ type: 'chunk', id: this.#id, bytes }, isMoved ? bytes.buffer : undefined)
    }
  }

  #end(message: EndMessage): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#channel.send(message)
  }
}
