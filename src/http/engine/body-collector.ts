/** What is allocated for a body of unknown length before any of it has come. */
const FIRST_BYTES = 65_536
/** What its announced length is believed for; more only as it comes. */
const BELIEVED_BYTES = 1_048_576

/**
 * Joins the parts of a body as they come, so that each part is free again at once. Memory grows with
 * what has come: a Content-Length that nothing follows costs little.
 */
export class BodyCollector {
  readonly #expectedBytes: number
  #bytes: Uint8Array<ArrayBuffer>
  #length = 0

  /** @param expectedBytes its Content-Length; -1 when it is not known */
  constructor(expectedBytes: number) {
    this.#expectedBytes = expectedBytes
    const first = expectedBytes < 0 ? FIRST_BYTES : Math.min(expectedBytes, BELIEVED_BYTES)
    this.#bytes = allocate(first)
  }

  add(part: Uint8Array): void {
    const length = this.#length + part.length
    if (length > this.#bytes.length) this.#grow(length)
    this.#bytes.set(part, this.#length)
    this.#length = length
  }

  /** All of it, in memory of exactly its size. */
  finish(): Uint8Array<ArrayBuffer> {
    const isExact = this.#length === this.#bytes.length
    return isExact ? this.#bytes : copy(this.#bytes.subarray(0, this.#length), this.#length)
  }

  #grow(needed: number): void {
    const doubled = Math.max(needed, 2 * this.#bytes.length)
    const isAnnounced = this.#expectedBytes >= needed
    this.#bytes = copy(
      this.#bytes.subarray(0, this.#length),
      isAnnounced ? Math.min(doubled, this.#expectedBytes) : doubled,
    )
  }
}

/** Every byte is written before anybody reads it, so zeros would be wasted. */
function allocate(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
}

function copy(from: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const bytes = allocate(length)
  bytes.set(from)
  return bytes
}
