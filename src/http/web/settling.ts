import type { UnderlyingDefaultSource } from 'node:stream/web'

/**
 * `source`, passed on chunk by chunk without a buffer of its own; `settled` is called once, when
 * it has ended, failed or been cancelled. A chunk that is no Uint8Array is a failure (Fetch, "read
 * all bytes").
 */
export function settling(
  source: ReadableStream<Uint8Array>,
  settled: () => void,
): ReadableStream<Uint8Array> {
  return new ReadableStream(new Settling(source.getReader(), settled), { highWaterMark: 0 })
}

class Settling implements UnderlyingDefaultSource<Uint8Array> {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  #settled: (() => void) | undefined

  constructor(reader: ReadableStreamDefaultReader<Uint8Array>, settled: () => void) {
    this.#reader = reader
    this.#settled = settled
  }

  async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    try {
      const { done, value } = await this.#reader.read()
      // Cancelled while it waited: there is nobody to tell.
      if (this.#settled === undefined) return
      if (done) {
        controller.close()
        this.#settle()
      } else if (value instanceof Uint8Array) {
        controller.enqueue(value)
      } else {
        throw new TypeError('Received non-Uint8Array chunk')
      }
    } catch (error) {
      controller.error(error)
      this.#settle()
      void this.#reader.cancel(error).catch(() => {})
    }
  }

  cancel(reason: unknown): Promise<void> {
    const cancelled = this.#reader.cancel(reason)
    this.#settle()
    return cancelled
  }

  #settle(): void {
    const settled = this.#settled
    this.#settled = undefined
    settled?.()
  }
}
