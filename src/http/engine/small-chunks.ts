/** Chunks below this size are gathered, up to as much. */
const GATHERED_BYTES = 1_024

/**
 * Gathers small chunks of a body that have arrived together: a client that sends chunks of one byte
 * would make a view, an event and perhaps a turn of a stream out of each.
 */
export class SmallChunks {
  #bytes: Buffer | undefined
  #length = 0

  get isEmpty(): boolean {
    return this.#length === 0
  }

  /** Takes `length` bytes of `bytes` from `at` on. @returns whether there was room for them */
  take(bytes: Buffer, at: number, length: number): boolean {
    if (this.#length + length > GATHERED_BYTES) return false
    this.#bytes ??= Buffer.allocUnsafe(GATHERED_BYTES)
    bytes.copy(this.#bytes, this.#length, at, at + length)
    this.#length += length
    return true
  }

  /** All that was taken, which is the caller's. */
  give(): Buffer {
    const all = Buffer.from(this.#bytes!.subarray(0, this.#length))
    this.#length = 0
    return all
  }

  /** Before another body. */
  clear(): void {
    this.#bytes = undefined
    this.#length = 0
  }
}
