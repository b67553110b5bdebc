/** Bytes that the parser compares with. */
export const TAB = 0x09
export const LF = 0x0a
export const CR = 0x0d
export const SPACE = 0x20
export const QUOTE = 0x22
export const COLON = 0x3a
export const SEMICOLON = 0x3b
export const EQUALS = 0x3d
export const BACKSLASH = 0x5c

/** One entry for each byte: 1 where it belongs to the class. */
export type ByteClass = Uint8Array

function byteClass(belongs: (byte: number) => boolean): ByteClass {
  return Uint8Array.from({ length: 256 }, (_, byte) => (belongs(byte) ? 1 : 0))
}

const TOKEN_TEXT = /[!#$%&'*+\-.^_`|~0-9A-Za-z]/

/** RFC 9110, section 5.6.2: names of fields, methods, chunk extensions. */
export const TOKEN = byteClass(byte => TOKEN_TEXT.test(String.fromCharCode(byte)))

/** A request target: visible ASCII, whatever the form (RFC 3986 allows less; `locate` decides). */
export const TARGET = byteClass(byte => byte > 0x20 && byte < 0x7f)

/** RFC 9110, section 5.5: field-vchar, space and tab; no control, obs-text allowed. */
export const FIELD_VALUE = byteClass(byte => byte === TAB || (byte >= 0x20 && byte !== 0x7f))

/** RFC 9110, section 5.6.4: qdtext. */
export const QUOTED_TEXT = byteClass(
  byte => FIELD_VALUE[byte] === 1 && byte !== QUOTE && byte !== BACKSLASH,
)

const NO_DIGIT = 0xff

/** Value of each hexadecimal digit; above 15 for every other byte. */
export const HEX_VALUE = Uint8Array.from({ length: 256 }, (_, byte) => {
  const digit = Number.parseInt(String.fromCharCode(byte), 16)
  return Number.isNaN(digit) ? NO_DIGIT : digit
})
