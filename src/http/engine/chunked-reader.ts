import { FezzError } from '../../errors.ts'
import { ChunkSize } from './chunk-size.ts'
import type { Input } from './input.ts'
import { malformed } from './malformed.ts'
import { SmallChunks } from './small-chunks.ts'
import { CR, LF } from './syntax.ts'

const SIZE = 0
const DATA = 1
const DATA_CR = 2
const DATA_LF = 3

/** Reads a chunked body up to its trailers (RFC 9112, section 7.1). */
export class ChunkedReader {
  /** Of an `error`. */
  error!: FezzError
  readonly #size = new ChunkSize()
  readonly #small = new SmallChunks()
  #data: Buffer | undefined
  #state = SIZE
  /** Bytes of the chunk still to come. */
  #rest = 0
  /** What follows the small chunks that were gathered. */
  #after: 'done' | 'error' | undefined

  /** Before a body. */
  reset(): void {
    this.#size.reset()
    this.#state = SIZE
  }

  /** What a `data` is about: a view of what was pushed, or several small chunks in one; once. */
  takeData(): Buffer {
    const data = this.#data as Buffer
    this.#data = undefined
    return data
  }

  /** Goes on: `done` when only trailers can follow. */
  read(input: Input): 'more' | 'data' | 'done' | 'error' {
    for (;;) {
      if (this.#after !== undefined) return this.#conclude(this.#after)
      switch (this.#state) {
        case SIZE: {
          const state = this.#size.scan(input.bytes, input.at)
          input.at = this.#size.at
          input.keepRest()
          if (state === 'more') return this.#more()
          if (state !== 'done') return this.#fail(state)
          this.#rest = this.#size.size
          if (this.#rest === 0) return this.#conclude('done')
          this.#state = DATA
          break
        }
        case DATA:
          if (this.#rest > 0 && !this.#gather(input)) return this.#take(input)
          this.#state = DATA_CR
          break
        default: {
          if (input.left === 0) return this.#more()
          const isCr = this.#state === DATA_CR
          if (input.bytes[input.at] !== (isCr ? CR : LF)) return this.#fail('too-long')
          input.at++
          input.keepRest()
          this.#state = isCr ? DATA_LF : SIZE
          if (!isCr) this.#size.next()
        }
      }
    }
  }

  #take(input: Input): 'more' | 'data' {
    if (!this.#small.isEmpty) return this.#giveSmall()
    const length = Math.min(this.#rest, input.left)
    if (length === 0) return 'more'
    this.#data = input.take(length)
    this.#rest -= length
    return 'data'
  }

  /** Whether what is there of a chunk, all of it and more behind it, was put to other small ones. */
  #gather(input: Input): boolean {
    const length = this.#rest
    if (length >= input.left || !this.#small.take(input.bytes, input.at, length)) return false
    input.at += length
    input.keepRest()
    this.#rest = 0
    return true
  }

  #giveSmall(): 'data' {
    this.#data = this.#small.give()
    return 'data'
  }

  /** Nothing more to read: what was gathered so far is told first. */
  #more(): 'more' | 'data' {
    return this.#small.isEmpty ? 'more' : this.#giveSmall()
  }

  #conclude(end: 'done' | 'error'): 'data' | 'done' | 'error' {
    if (!this.#small.isEmpty) {
      this.#after = end
      return this.#giveSmall()
    }
    this.#after = undefined
    this.#small.clear()
    return end
  }

  #fail(why: 'malformed' | 'extensions-too-large' | 'too-long'): 'data' | 'error' {
    this.error = ERRORS[why]()
    return this.#conclude('error') as 'data' | 'error'
  }
}

const ERRORS = {
  malformed: () => malformed('has a malformed chunk size'),
  'too-long': () => malformed('has a chunk that is longer than its size'),
  'extensions-too-large': () =>
    new FezzError('PAYLOAD_TOO_LARGE', 'The chunk extensions are too large'),
}
