import type { FezzError } from '../../errors.ts'
import { ChunkedReader } from './chunked-reader.ts'
import { type HeadLimits, HeadReader } from './head-reader.ts'
import { Input } from './input.ts'
import type { RequestHead } from './request-head.ts'

/** What {@link RequestParser.next} has found. */
export type ParserEvent =
  /** Nothing until more bytes are pushed. */
  | 'more'
  /** {@link RequestParser.takeHead} has it; if it has a body, `data` and `end` follow. */
  | 'head'
  /** A part of the body: {@link RequestParser.takeData} has it. */
  | 'data'
  /** The body is complete. */
  | 'end'
  /** {@link RequestParser.error}; again and again, since no byte after it means anything. */
  | 'error'

export type ParserLimits = HeadLimits

type State = 'head' | 'body' | 'chunked' | 'trailers' | 'failed'

/**
 * Requests of HTTP/1.1 and 1.0 out of the bytes of a connection (RFC 9112). Pure: no sockets, no time.
 * It gives one event at a time, so that who reads it decides when to go on; what it was given and
 * has not told yet, it holds. How the bytes were split makes no difference to what it tells.
 *
 * Each byte is looked at once. Where the RFC leaves a choice that has been used to smuggle requests
 * past proxies, it refuses; docs/http-engine.md has the list.
 */
export class RequestParser {
  /** Of the first `error`. */
  error!: FezzError
  readonly #input = new Input()
  readonly #headReader: HeadReader
  /** Made with the first chunked body. */
  #chunkedReader: ChunkedReader | undefined
  #state: State = 'head'
  /** Bytes of a body with a length that are still to come. */
  #rest = 0
  #head: RequestHead | undefined
  #data: Buffer | undefined

  constructor(limits: ParserLimits) {
    this.#headReader = new HeadReader(limits)
  }

  /** Bytes that were pushed and not told yet. */
  get held(): number {
    return this.#input.held
  }

  /** Whether a message has begun and is not over. */
  get isMidMessage(): boolean {
    return this.#state === 'head' ? this.#headReader.isMid : this.#state !== 'failed'
  }

  /** Whether all of the body that comes now is held. */
  get holdsBody(): boolean {
    return this.#state === 'body' && this.#input.left >= this.#rest
  }

  /** Whether all of a body is told but its end, which needs no more bytes. */
  get isAtBodyEnd(): boolean {
    return this.#state === 'body' && this.#rest === 0
  }

  /** Takes all that is held and not told, for another protocol. */
  takeRest(): Buffer {
    const { bytes, start } = this.#input
    this.#input.clear()
    return bytes.subarray(start)
  }

  /** Gives it the next bytes; they must not change any more. */
  push(chunk: Buffer): void {
    if (this.#state !== 'failed') this.#input.push(chunk)
  }

  /** What a `head` event is about; once, since an idle connection must not hold it. */
  takeHead(): RequestHead {
    const head = this.#head as RequestHead
    this.#head = undefined
    return head
  }

  /** What a `data` event is about, perhaps a view of what was pushed; once. */
  takeData(): Buffer {
    const data = this.#data as Buffer
    this.#data = undefined
    return data
  }

  /** Goes on to the next event. */
  next(): ParserEvent {
    switch (this.#state) {
      case 'head':
        return this.#readHead()
      case 'body':
        return this.#readBody()
      case 'chunked':
        return this.#readChunks()
      case 'trailers':
        return this.#readTrailers()
      default:
        return 'error'
    }
  }

  #readHead(): ParserEvent {
    const reader = this.#headReader
    const result = reader.read(this.#input)
    if (result === 'more') return 'more'
    const head = result === 'done' ? reader.head(this.#input) : undefined
    if (head === undefined) return this.#fail(reader.error)
    this.#head = head
    this.#input.keepRest()
    if (head.bodyBytes < 0) {
      this.#state = 'chunked'
      this.#chunkedReader ??= new ChunkedReader()
      this.#chunkedReader.reset()
    } else {
      reader.reset()
      this.#rest = head.bodyBytes
      if (head.bodyBytes > 0) this.#state = 'body'
    }
    return 'head'
  }

  #readBody(): ParserEvent {
    if (this.#rest === 0) return this.#end()
    const length = Math.min(this.#rest, this.#input.left)
    if (length === 0) return 'more'
    this.#rest -= length
    this.#data = this.#input.take(length)
    return 'data'
  }

  #readChunks(): ParserEvent {
    const reader = this.#chunkedReader!
    const result = reader.read(this.#input)
    if (result === 'data') this.#data = reader.takeData()
    if (result === 'error') return this.#fail(reader.error)
    if (result !== 'done') return result
    this.#headReader.beginTrailers()
    this.#state = 'trailers'
    return this.#readTrailers()
  }

  #readTrailers(): ParserEvent {
    const result = this.#headReader.read(this.#input)
    if (result === 'more') return 'more'
    if (result === 'error') return this.#fail(this.#headReader.error)
    this.#input.keepRest()
    return this.#end()
  }

  #end(): ParserEvent {
    this.#headReader.reset()
    this.#state = 'head'
    return 'end'
  }

  #fail(error: FezzError | undefined): ParserEvent {
    this.#state = 'failed'
    this.error = error as FezzError
    this.#input.clear()
    return 'error'
  }
}
