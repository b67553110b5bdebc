const EMPTY = Buffer.alloc(0)

/** Bytes of a connection that were not told yet. */
export class Input {
  bytes: Buffer = EMPTY
  /** How far they were read. */
  at = 0
  /** What must be kept begins here; never behind `at`. */
  start = 0

  /** Bytes that are kept. */
  get held(): number {
    return this.bytes.length - this.start
  }

  /** Bytes that were not read. */
  get left(): number {
    return this.bytes.length - this.at
  }

  push(chunk: Buffer): void {
    if (this.start === this.bytes.length) this.bytes = chunk
    else this.bytes = Buffer.concat([this.bytes.subarray(this.start), chunk])
    this.at -= this.start
    this.start = 0
  }

  /** Reads `length` bytes, as a view. */
  take(length: number): Buffer {
    const taken = this.bytes.subarray(this.at, this.at + length)
    this.at += length
    this.keepRest()
    return taken
  }

  /** Keeps only what was not read: the rest is nobody's here, and whoever has it may detach it. */
  keepRest(): void {
    this.start = this.at
    if (this.at === this.bytes.length) this.clear()
  }

  clear(): void {
    this.bytes = EMPTY
    this.at = 0
    this.start = 0
  }
}
