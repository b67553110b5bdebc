const utf8 = new TextDecoder()

/** Text of a body: UTF-8 without its byte order mark, bad sequences as U+FFFD (Fetch, "text()"). */
export function decodeText(bytes: Uint8Array): string {
  return utf8.decode(bytes)
}

/** JSON of a body. @throws SyntaxError */
export function decodeJson(bytes: Uint8Array): unknown {
  return JSON.parse(utf8.decode(bytes))
}

/**
 * `bytes` as a plain Uint8Array that is all of its buffer. A Buffer may be a view of the shared
 * pool, and who gets its `.buffer` could read what others left there.
 */
export function ownBytes(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const whole = bytes.byteLength === bytes.buffer.byteLength
  return whole && bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes)
}

/** Buffer of a body, of exactly its size. */
export function ownBuffer(bytes: Uint8Array<ArrayBuffer>): ArrayBuffer {
  return ownBytes(bytes).buffer
}

/** What reading a body twice rejects with. */
export function bodyUnusable(): TypeError {
  return new TypeError('Body is unusable: Body has already been read')
}
