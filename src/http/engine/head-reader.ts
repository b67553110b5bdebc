import { METHODS } from 'node:http'
import { FezzError, type FezzErrorCode } from '../../errors.ts'
import { unknownVersion } from '../unknown-version.ts'
import type { Input } from './input.ts'
import { KNOWN, KNOWN_COUNT, knownField } from './known-field.ts'
import { malformed } from './malformed.ts'
import { messageLength } from './message-length.ts'
import { RequestHead } from './request-head.ts'
import { COLON, CR, FIELD_VALUE, LF, SPACE, TAB, TARGET, TOKEN } from './syntax.ts'

export interface HeadLimits {
  /** Largest head, and largest trailer section, in bytes. */
  readonly maxHeaderBytes: number
  /** Most fields of a head and its trailers. */
  readonly maxHeaders: number
  /** Longest request target, in bytes. */
  readonly maxTargetBytes: number
}

const KNOWN_METHODS: ReadonlySet<string> = new Set(METHODS)
const VERSION_BYTES = Buffer.from('HTTP/1.1')

// Where it stands; they follow each other.
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

/** Reads heads and, since their lines are the same, trailers: RFC 9112, sections 2.2, 3, 5 and 7.1.2. */
export class HeadReader {
  /** Why it has failed. */
  error: FezzError | undefined
  readonly #limits: HeadLimits
  /** Start and end of each known field's value, counted from the input's start; -1: not there. */
  readonly #known = new Int32Array(2 * KNOWN_COUNT).fill(-1)
  #state = START
  /** Start of the element being read: target, version, name, value; counted as those. */
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

  constructor(limits: HeadLimits) {
    this.#limits = limits
  }

  /** Whether it has read a part of something. */
  get isMid(): boolean {
    return this.#state !== START
  }

  /** What is read next are trailers. */
  beginTrailers(): void {
    this.#isTrailer = true
    this.#state = FIELD_START
  }

  /** The message is over, and with it the count of its fields. */
  reset(): void {
    this.#isTrailer = false
    this.#fields = 0
  }

  /** Reads on in `input`, whose `start` is where the head or the trailers begin. */
  read(input: Input): 'more' | 'done' | 'error' {
    const { bytes } = input
    const { maxHeaderBytes, maxTargetBytes, maxHeaders } = this.#limits
    let { start, at } = input
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
          input.start = at
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
          if (index < VERSION_BYTES.length) {
            const isRight =
              index === 5 || index === 7 ? isDigit(byte) : byte === VERSION_BYTES[index]
            if (!isRight) return this.#malformed('has a malformed version')
            at++
            if (index === VERSION_BYTES.length - 1 && !this.#takeVersion(bytes, at)) {
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
          input.at = at + 1
          this.#state = START
          return 'done'
      }
    }
    input.at = at
    this.#state = state
    if (at - start < maxHeaderBytes) return 'more'
    return this.#fail('HEADERS_TOO_LARGE', `The head is larger than ${maxHeaderBytes} bytes`)
  }

  /**
   * The head that is `done`.
   *
   * @returns `undefined` where its body has no certain length: {@link error} says so
   */
  head({ bytes, start, at }: Input): RequestHead | undefined {
    const text = bytes.toString('latin1', start, at)
    const length = this.#length(text)
    if (typeof length !== 'number') {
      this.error = length
      return undefined
    }
    const head = new RequestHead(
      this.#method,
      text.substring(this.#targetStart, this.#targetEnd),
      this.#isHttp10,
      text.substring(this.#fieldsStart, text.length - 2),
      this.#valueOf(text, KNOWN.host),
      length,
      this.#valueOf(text, KNOWN.requestId),
      this.#hasOptions,
    )
    this.#known.fill(-1)
    this.#hasOptions = false
    this.#hasSkippedLine = false
    return head
  }

  #length(text: string): number | FezzError {
    if (this.#repeated !== -1) return malformed(REPEATED[this.#repeated]!)
    return messageLength(
      this.#valueOf(text, KNOWN.transferEncoding),
      this.#valueOf(text, KNOWN.contentLength),
      this.#isHttp10,
    )
  }

  #valueOf(text: string, field: number): string | undefined {
    const start = this.#known[2 * field]!
    return start === -1 ? undefined : text.substring(start, this.#known[2 * field + 1]!)
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

  #unknownVersion(): 'error' {
    this.error = unknownVersion()
    return 'error'
  }

  #malformed(what: string): 'error' {
    this.error = malformed(what)
    return 'error'
  }

  #fail(code: FezzErrorCode, message: string): 'error' {
    this.error = new FezzError(code, message)
    return 'error'
  }
}

const REPEATED: readonly string[] = [
  'has more than one Host header',
  'has more than one Content-Length header',
  'has more than one Transfer-Encoding header',
]

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}
