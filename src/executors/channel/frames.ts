import { FezzError } from '../../errors.ts'

const HEAD_BYTES = 4

/**
 * More than this no peer sends that means well: bodies go in pieces. What a frame holds may take
 * thirty times its bytes in memory, such as a list of empty objects.
 */
export const MAX_FRAME_BYTES = 16_777_216

/**
 * The head of a frame: the length of what follows, as four bytes, big end first.
 *
 * @throws FezzError `INTERNAL` when that is more than a reader takes
 */
export function frameHead(byteLength: number): Buffer {
  if (byteLength > MAX_FRAME_BYTES) throw tooLong(byteLength)
  const head = Buffer.allocUnsafe(HEAD_BYTES)
  head.writeUInt32BE(byteLength)
  return head
}

/** Finds the frames in a stream of bytes that may be cut anywhere. */
export class FrameReader {
  readonly #frame: (payload: Buffer) => void
  #pieces: Buffer[] = []
  #available = 0
  /** Of the frame that is on its way; undefined while its head is. */
  #expected: number | undefined

  /** @param frame gets each payload; it may keep it */
  constructor(frame: (payload: Buffer) => void) {
    this.#frame = frame
  }

  /** @throws FezzError `INTERNAL` for a length over {@link MAX_FRAME_BYTES}; nothing can follow it */
  push(piece: Buffer): void {
    this.#pieces.push(piece)
    this.#available += piece.length
    for (;;) {
      if (this.#expected === undefined) {
        if (this.#available < HEAD_BYTES) return
        const expected = this.#take(HEAD_BYTES).readUInt32BE()
        if (expected > MAX_FRAME_BYTES) throw tooLong(expected)
        this.#expected = expected
      }
      if (this.#available < this.#expected) return
      const payload = this.#take(this.#expected)
      this.#expected = undefined
      this.#frame(payload)
    }
  }

  #take(length: number): Buffer {
    this.#available -= length
    const first = this.#pieces[0] ?? Buffer.alloc(0)
    if (first.length > length) {
      this.#pieces[0] = first.subarray(length)
      return first.subarray(0, length)
    }
    if (first.length === length) {
      this.#pieces.shift()
      return first
    }
    const all = Buffer.concat(this.#pieces)
    this.#pieces = all.length > length ? [all.subarray(length)] : []
    return all.subarray(0, length)
  }
}

function tooLong(byteLength: number): FezzError {
  return new FezzError(
    'INTERNAL',
    `a frame of ${byteLength} bytes is longer than the ${MAX_FRAME_BYTES} that a channel takes`,
  )
}
