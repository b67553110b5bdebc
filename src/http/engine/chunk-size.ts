import {
  BACKSLASH,
  CR,
  EQUALS,
  FIELD_VALUE,
  HEX_VALUE,
  LF,
  QUOTE,
  QUOTED_TEXT,
  SEMICOLON,
  TOKEN,
} from './syntax.ts'

/** What all extensions of a body's chunks may take: nobody reads them, so more is an attack. */
const MAX_EXTENSION_BYTES = 4_096

const DIGITS = 0
const NAME_START = 1
const NAME = 2
const VALUE_START = 3
const VALUE = 4
const QUOTED = 5
const ESCAPED = 6
const QUOTED_END = 7
const LINE_END = 8

/** How far {@link ChunkSize.scan} has come. */
export type ChunkSizeState = 'more' | 'done' | 'malformed' | 'extensions-too-large'

/**
 * Reads the line before each chunk (RFC 9112, section 7.1), a byte at a time if need be. Stricter than
 * the section: no white space around extensions, and CRLF, never a bare LF.
 */
export class ChunkSize {
  /** Size of the chunk once the line is `done`. */
  size = 0
  /** Position after what was read. */
  at = 0
  #digits = 0
  #state = DIGITS
  #extensionBytes = 0

  /** Before the first chunk of a body. */
  reset(): void {
    this.#extensionBytes = 0
    this.next()
  }

  /** Before each other one. */
  next(): void {
    this.size = 0
    this.#digits = 0
    this.#state = DIGITS
  }

  /** Reads `bytes` from `start` on. */
  scan(bytes: Uint8Array, start: number): ChunkSizeState {
    for (let at = start; at < bytes.length; at++) {
      const byte = bytes[at]!
      if (this.#state === LINE_END) {
        this.at = at + 1
        return byte === LF ? 'done' : 'malformed'
      }
      if (this.#state !== DIGITS && ++this.#extensionBytes > MAX_EXTENSION_BYTES) {
        return 'extensions-too-large'
      }
      if (!this.#take(byte)) return 'malformed'
    }
    this.at = bytes.length
    return 'more'
  }

  #take(byte: number): boolean {
    switch (this.#state) {
      case DIGITS:
        if (HEX_VALUE[byte]! < 16) return this.#takeDigit(HEX_VALUE[byte]!)
        return this.#digits > 0 && this.#endElement(byte)
      case NAME_START:
      case VALUE_START:
        if (byte === QUOTE && this.#state === VALUE_START) return this.#enter(QUOTED)
        return TOKEN[byte] === 1 && this.#enter(this.#state + 1)
      case NAME:
        if (byte === EQUALS) return this.#enter(VALUE_START)
        return TOKEN[byte] === 1 || this.#endElement(byte)
      case VALUE:
        return TOKEN[byte] === 1 || this.#endElement(byte)
      case QUOTED:
        if (byte === QUOTE) return this.#enter(QUOTED_END)
        return byte === BACKSLASH ? this.#enter(ESCAPED) : QUOTED_TEXT[byte] === 1
      case ESCAPED:
        return FIELD_VALUE[byte] === 1 && this.#enter(QUOTED)
      default:
        return this.#endElement(byte)
    }
  }

  #takeDigit(digit: number): boolean {
    this.#digits++
    this.size = this.size * 16 + digit
    // Leading zeros are digits too; without a bound they would be an endless line.
    return this.#digits <= 16 && this.size <= Number.MAX_SAFE_INTEGER
  }

  #endElement(byte: number): boolean {
    if (byte === SEMICOLON) return this.#enter(NAME_START)
    return byte === CR && this.#enter(LINE_END)
  }

  #enter(state: number): true {
    this.#state = state
    return true
  }
}
