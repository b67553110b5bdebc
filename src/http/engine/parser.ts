import { METHODS } from 'node:http'
import { FezzError, type FezzErrorCode } from '../../errors.ts'
import { ChunkSize } from './chunk-size.ts'
import { KNOWN, KNOWN_COUNT, knownField } from './known-field.ts'
import { RequestHead } from './request-head.ts'
import { SmallChunks } from './small-chunks.ts'
import { COLON, CR, FIELD_VALUE, LF, SPACE, TAB, TARGET, TOKEN } from './syntax.ts'

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

export interface ParserLimits {
  /** Largest head, and largest trailer section, in bytes. */
  readonly maxHeaderBytes: number
  /** Most fields of a head and its trailers. */
  readonly maxHeaders: number
  /** Longest request target, in bytes. */
  readonly maxTargetBytes: number
}

const EMPTY = Buffer.alloc(0)
const KNOWN_METHODS: ReadonlySet<string> = new Set(METHODS)
const VERSION_LENGTH = 'HTTP/1.1'.length

// Where it stands. Up to END_LF they follow each other in a head.
const START = 0
const EMPTY_LINE_LF = 1
const METHOD = 2
const REQUEST_TARGET = 3
const VERSION = 4
const LINE_LF = 5
const FIELD_START = 6
const NAME = 7
const VALUE_START = 8
const VALUE = 9
const VALUE_LF = 10
const END_LF = 11
const BODY = 12
const CHUNK_SIZE = 13
const CHUNK = 14
const CHUNK_CR = 15
const CHUNK_LF = 16
const FAILED = 17

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
  #head: RequestHead | undefined
  #data: Buffer = EMPTY
  readonly #limits: ParserLimits
  /** Made with the first chunked body. */
  #chunkSize: ChunkSize | undefined
  #small: SmallChunks | undefined
  /** Start and end of each known field's value, counted from `#start`; -1: not there. */
  readonly #known = new Int32Array(2 * KNOWN_COUNT)
  #state = START
  #bytes: Buffer = EMPTY
  #at = 0
  /** Start of the head or the trailers in `#bytes`. */
  #start = 0
  /** Start of the element being read: target, version, name, value; counted from `#start`. */
  #mark = 0
  #fieldsStart = 0
  #fields = 0
  #field = -1
  #method = ''
  #targetStart = 0
  #targetEnd = 0
  #isHttp10 = false
  #hasOptions = false
  #repeated = -1
  #hasSkippedLine = false
  #isTrailer = false
  /** Bytes of the body, or of its chunk, still to come. */
  #rest = 0

  constructor(limits: ParserLimits) {
    this.#limits = limits
    this.#known.fill(-1)
  }

  /** Bytes that were pushed and not told yet. */
  get held(): number {
    return this.#bytes.length - (this.#isInHead ? this.#start : this.#at)
  }

  /** Whether a message has begun and is not over. */
  get isMidMessage(): boolean {
    return this.#state !== START && this.#state !== FAILED
  }

  /** Whether all of the body that comes now is held. */
  get holdsBody(): boolean {
    return this.#state === BODY && this.#bytes.length - this.#at >= this.#rest
  }

  /** Whether all of a body is told but its end, which needs no more bytes. */
  get isAtBodyEnd(): boolean {
    return this.#state === BODY && this.#rest === 0
  }

  /** Takes all that is held and not told, for another protocol. */
  takeRest(): Buffer {
    const rest = this.#bytes.subarray(this.#at)
    this.#bytes = EMPTY
    this.#at = 0
    this.#start = 0
    return rest
  }

  /** Gives it the next bytes; they must not change any more. */
  push(chunk: Buffer): void {
    const from = this.#isInHead ? this.#start : this.#at
    if (from === this.#bytes.length) {
      this.#bytes = chunk
      this.#at = 0
    } else {
      this.#bytes = Buffer.concat([this.#bytes.subarray(from), chunk])
      this.#at -= from
    }
    this.#start = 0
  }

  /** What a `head` event is about; once, since an idle connection must not hold it. */
  takeHead(): RequestHead {
    const head = this.#head as RequestHead
    this.#head = undefined
    return head
  }

  /** What a `data` event is about, a view of what was pushed; once. */
  takeData(): Buffer {
    const data = this.#data
    this.#data = EMPTY
    return data
  }

  /** Goes on to the next event. */
  next(): ParserEvent {
    for (;;) {
      switch (this.#state) {
        case BODY:
          if (this.#rest === 0) return this.#end()
          return this.#takeData()
        case CHUNK_SIZE: {
          const line = this.#chunkSize!
          const state = line.scan(this.#bytes, this.#at)
          this.#at = line.at
          if (state === 'more') return this.#more()
          if (state === 'extensions-too-large') {
            return this.#fail('PAYLOAD_TOO_LARGE', 'The chunk extensions are too large')
          }
          if (state === 'malformed') return this.#malformed('has a malformed chunk size')
          this.#rest = line.size
          if (this.#rest > 0) {
            this.#state = CHUNK
            break
          }
          this.#beginTrailers()
          if (this.#hasSmall) return this.#giveSmall()
          break
        }
        case CHUNK:
          if (this.#rest > 0 && !this.#gather()) return this.#takeData()
          this.#state = CHUNK_CR
          break
        case CHUNK_CR:
        case CHUNK_LF: {
          if (this.#at === this.#bytes.length) return this.#more()
          const isCr = this.#state === CHUNK_CR
          if (this.#bytes[this.#at++] !== (isCr ? CR : LF)) {
            return this.#malformed('has a chunk that is longer than its size')
          }
          this.#state = isCr ? CHUNK_LF : CHUNK_SIZE
          if (!isCr) this.#chunkSize!.next()
          break
        }
        case FAILED:
          return 'error'
        default:
          return this.#readHead()
      }
    }
  }

  get #isInHead(): boolean {
    return this.#state > START && this.#state <= END_LF
  }

  #takeData(): ParserEvent {
    if (this.#hasSmall) return this.#giveSmall()
    const length = Math.min(this.#rest, this.#bytes.length - this.#at)
    if (length === 0) return 'more'
    const end = this.#at + length
    this.#data = this.#bytes.subarray(this.#at, end)
    this.#at = end
    this.#rest -= length
    this.#letGo()
    return 'data'
  }

  get #hasSmall(): boolean {
    return this.#small !== undefined && !this.#small.isEmpty
  }

  /** Whether what is there of a chunk, all of it and more behind it, was put to other small ones. */
  #gather(): boolean {
    const length = this.#rest
    if (length >= this.#bytes.length - this.#at) return false
    if (!this.#small!.take(this.#bytes, this.#at, length)) return false
    this.#at += length
    this.#rest = 0
    return true
  }

  #giveSmall(): ParserEvent {
    this.#data = this.#small!.give()
    this.#letGo()
    return 'data'
  }

  /** Nothing more to read: what was gathered so far is told first. */
  #more(): ParserEvent {
    return this.#hasSmall ? this.#giveSmall() : 'more'
  }

  #end(): ParserEvent {
    this.#small?.clear()
    this.#state = START
    this.#start = this.#at
    return 'end'
  }

  /** What has been told to its last byte is nobody's here: whoever has it may detach it. */
  #letGo(): void {
    if (this.#at < this.#bytes.length) return
    this.#bytes = EMPTY
    this.#at = 0
    this.#start = 0
  }

  #beginTrailers(): void {
    this.#isTrailer = true
    this.#start = this.#at
    this.#state = FIELD_START
  }

  /** A head, or the trailers of a body: the same lines. */
  #readHead(): ParserEvent {
    const bytes = this.#bytes
    const { maxHeaderBytes, maxTargetBytes, maxHeaders } = this.#limits
    let start = this.#start
    let at = this.#at
    let state = this.#state
    let end = Math.min(bytes.length, start + maxHeaderBytes)
    while (at < end) {
      const byte = bytes[at]!
      switch (state) {
        case START:
          // One empty line is left over by clients that end a body with one (RFC 9112, section 2.2).
          if (byte === CR && !this.#hasSkippedLine) {
            at++
            state = EMPTY_LINE_LF
            break
          }
          // The usual one, in one step.
          if (
            byte === 0x47 &&
            at + 4 <= end &&
            bytes[at + 1] === 0x45 &&
            bytes[at + 2] === 0x54 &&
            bytes[at + 3] === SPACE
          ) {
            this.#method = 'GET'
            at += 4
            this.#mark = at - start
            state = REQUEST_TARGET
            break
          }
          state = METHOD
          break
        case EMPTY_LINE_LF:
          if (byte !== LF) return this.#malformed('begins with a bare CR')
          at++
          this.#hasSkippedLine = true
          start = at
          this.#start = at
          end = Math.min(bytes.length, start + maxHeaderBytes)
          state = START
          break
        case METHOD: {
          let next = at
          while (next < end && TOKEN[bytes[next]!] === 1) next++
          at = next
          if (at === end) break
          if (bytes[at] !== SPACE || at === start) return this.#malformed('has a malformed method')
          this.#method = bytes.toString('latin1', start, at)
          if (!KNOWN_METHODS.has(this.#method)) {
            return this.#fail('NOT_IMPLEMENTED', 'The method is not implemented')
          }
          at++
          this.#mark = at - start
          state = REQUEST_TARGET
          break
        }
        case REQUEST_TARGET: {
          const targetStart = start + this.#mark
          const limit = Math.min(end, targetStart + maxTargetBytes + 1)
          let next = at
          while (next < limit && TARGET[bytes[next]!] === 1) next++
          at = next
          if (at - targetStart > maxTargetBytes) {
            return this.#fail('URI_TOO_LONG', `The target is longer than ${maxTargetBytes} bytes`)
          }
          if (at === end) break
          // As in HTTP/0.9, which has no version.
          if (bytes[at] === CR && at > targetStart) return this.#unknownVersion()
          if (bytes[at] !== SPACE || at === targetStart) {
            return this.#malformed('has a target that is not visible ASCII')
          }
          this.#targetStart = this.#mark
          this.#targetEnd = at - start
          at++
          this.#mark = at - start
          state = VERSION
          break
        }
        case VERSION: {
          const index = at - start - this.#mark
          if (index < VERSION_LENGTH) {
            const isRight =
              index === 5 || index === 7 ? isDigit(byte) : byte === VERSION_BYTES[index]
            if (!isRight) return this.#malformed('has a malformed version')
            at++
            if (index === VERSION_LENGTH - 1 && !this.#takeVersion(bytes, at)) {
              return this.#unknownVersion()
            }
            break
          }
          if (byte !== CR) return this.#malformed('has a malformed version')
          at++
          state = LINE_LF
          break
        }
        case LINE_LF:
          if (byte !== LF) return this.#malformed('has a line that does not end in CRLF')
          at++
          this.#fieldsStart = at - start
          state = FIELD_START
          break
        case FIELD_START:
          if (byte === CR) {
            at++
            state = END_LF
            break
          }
          if (TOKEN[byte] !== 1) {
            const isFold = byte === SPACE || byte === TAB
            return this.#malformed(isFold ? 'has a folded header' : 'has a malformed header name')
          }
          if (++this.#fields > maxHeaders) {
            return this.#fail(
              'HEADERS_TOO_LARGE',
              `The request has more than ${maxHeaders} headers`,
            )
          }
          this.#mark = at - start
          at++
          state = NAME
          break
        case NAME: {
          let next = at
          while (next < end && TOKEN[bytes[next]!] === 1) next++
          at = next
          if (at === end) break
          if (bytes[at] !== COLON) return this.#malformed('has a malformed header name')
          this.#field = knownField(bytes, start + this.#mark, at)
          if (this.#isTrailer && this.#field !== -1) {
            // Whoever mixes trailers with fields would read another message (RFC 9110, section 6.5.1).
            if (this.#field !== KNOWN.requestId) {
              return this.#malformed('has a trailer that belongs into its head')
            }
            this.#field = -1
          }
          at++
          state = VALUE_START
          break
        }
        case VALUE_START:
          if (byte === SPACE || byte === TAB) {
            at++
            break
          }
          this.#mark = at - start
          state = VALUE
          break
        case VALUE: {
          let next = at
          while (next < end && FIELD_VALUE[bytes[next]!] === 1) next++
          at = next
          if (at === end) break
          if (bytes[at] !== CR) return this.#malformed('has a control character in a header')
          if (this.#field >= 0) this.#noteField(bytes, start, at)
          at++
          state = VALUE_LF
          break
        }
        case VALUE_LF:
          if (byte !== LF) return this.#malformed('has a line that does not end in CRLF')
          at++
          state = FIELD_START
          break
        default:
          if (byte !== LF) return this.#malformed('has a line that does not end in CRLF')
          this.#at = at + 1
          return this.#completeSection()
      }
    }
    this.#at = at
    this.#state = state
    if (at - start < maxHeaderBytes) return 'more'
    return this.#fail('HEADERS_TOO_LARGE', `The head is larger than ${maxHeaderBytes} bytes`)
  }

  #takeVersion(bytes: Buffer, end: number): boolean {
    this.#isHttp10 = bytes[end - 1] === 0x30
    return bytes[end - 3] === 0x31 && bytes[end - 1]! <= 0x31
  }

  #noteField(bytes: Buffer, start: number, valueEnd: number): void {
    const at = 2 * this.#field
    const from = start + this.#mark
    let to = valueEnd
    // A tab behind `chunked` is white space to some readers and part of it to others.
    const blank = this.#field === KNOWN.transferEncoding ? SPACE : TAB
    while (to > from && (bytes[to - 1] === SPACE || bytes[to - 1] === blank)) to--
    if (this.#field >= KNOWN.connection && this.#field <= KNOWN.upgrade) this.#hasOptions = true
    else if (this.#known[at] !== -1 && this.#field !== KNOWN.requestId) this.#repeated = this.#field
    this.#known[at] = this.#mark
    this.#known[at + 1] = to - start
  }

  #completeSection(): ParserEvent {
    if (this.#isTrailer) {
      this.#isTrailer = false
      this.#fields = 0
      this.#letGo()
      return this.#end()
    }
    const text = this.#bytes.toString('latin1', this.#start, this.#at)
    const bodyBytes = this.#bodyBytes(text)
    if (this.#state === FAILED) return 'error'
    this.#head = new RequestHead(
      this.#method,
      text.substring(this.#targetStart, this.#targetEnd),
      this.#isHttp10,
      text.substring(this.#fieldsStart, text.length - 2),
      this.#valueOf(text, KNOWN.host),
      bodyBytes,
      this.#valueOf(text, KNOWN.requestId),
      this.#hasOptions,
    )
    this.#known.fill(-1)
    this.#hasOptions = false
    this.#hasSkippedLine = false
    this.#start = this.#at
    this.#letGo()
    if (bodyBytes === 0) {
      this.#fields = 0
      this.#state = START
    } else if (bodyBytes > 0) {
      this.#fields = 0
      this.#state = BODY
      this.#rest = bodyBytes
    } else {
      this.#state = CHUNK_SIZE
      this.#chunkSize ??= new ChunkSize()
      this.#small ??= new SmallChunks()
      this.#chunkSize.reset()
    }
    return 'head'
  }

  #valueOf(text: string, field: number): string | undefined {
    const start = this.#known[2 * field]!
    return start === -1 ? undefined : text.substring(start, this.#known[2 * field + 1]!)
  }

  /** How long the body is (RFC 9112, section 6.3); fails where two readers could differ about it. */
  #bodyBytes(text: string): number {
    if (this.#repeated !== -1) return this.#malformedBody(REPEATED[this.#repeated]!)
    const coding = this.#valueOf(text, KNOWN.transferEncoding)
    const length = this.#valueOf(text, KNOWN.contentLength)
    if (coding !== undefined) {
      if (length !== undefined) {
        return this.#malformedBody('has both Content-Length and Transfer-Encoding')
      }
      if (this.#isHttp10) return this.#malformedBody('has a Transfer-Encoding in HTTP/1.0')
      if (coding.toLowerCase() === 'chunked') return -1
      // Chunked has to be the last one, else nobody knows where the body ends.
      const isChunkedInside = coding.split(',').some(isChunked)
      if (isChunkedInside && !isChunked(coding.slice(coding.lastIndexOf(',') + 1))) {
        return this.#malformedBody('has a coding after chunked')
      }
      this.#fail('NOT_IMPLEMENTED', 'The only transfer coding here is chunked')
      return 0
    }
    if (length === undefined) return 0
    if (!/^\d{1,19}$/.test(length)) return this.#malformedBody('has a malformed Content-Length')
    return Number(length)
  }

  #unknownVersion(): ParserEvent {
    return this.#fail(
      'HTTP_VERSION_NOT_SUPPORTED',
      'The only versions served are HTTP/1.1 and HTTP/1.0',
    )
  }

  #malformedBody(what: string): 0 {
    this.#malformed(what)
    return 0
  }

  #malformed(what: string): ParserEvent {
    return this.#fail('BAD_REQUEST', `The request ${what}`)
  }

  #fail(code: FezzErrorCode, message: string): ParserEvent {
    this.#state = FAILED
    this.error = new FezzError(code, message)
    this.#bytes = EMPTY
    this.#at = 0
    this.#start = 0
    return this.#hasSmall ? this.#giveSmall() : 'error'
  }
}

const VERSION_BYTES = Buffer.from('HTTP/1.1')

const REPEATED: readonly string[] = [
  'has more than one Host header',
  'has more than one Content-Length header',
  'has more than one Transfer-Encoding header',
]

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}

function isChunked(coding: string): boolean {
  return coding.trim().toLowerCase() === 'chunked'
}
