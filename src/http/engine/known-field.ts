/**
 * The fields that the engine itself looks at; the values are indices. `Proxy-Connection` has that of
 * `Connection`.
 */
export const KNOWN = {
  host: 0,
  contentLength: 1,
  transferEncoding: 2,
  connection: 3,
  expect: 4,
  upgrade: 5,
  requestId: 6,
} as const

/** How many there are. */
export const KNOWN_COUNT = 7

/** Index in {@link KNOWN} of the field named by `bytes` from `start` to `end`, a token; -1: none. */
export function knownField(bytes: Uint8Array, start: number, end: number): number {
  // By length first: most fields are none of these.
  switch (end - start) {
    case 4:
      return isName(bytes, start, 'host') ? KNOWN.host : -1
    case 6:
      return isName(bytes, start, 'expect') ? KNOWN.expect : -1
    case 7:
      return isName(bytes, start, 'upgrade') ? KNOWN.upgrade : -1
    case 10:
      return isName(bytes, start, 'connection') ? KNOWN.connection : -1
    case 12:
      return isName(bytes, start, 'x-request-id') ? KNOWN.requestId : -1
    case 14:
      return isName(bytes, start, 'content-length') ? KNOWN.contentLength : -1
    case 16:
      return isName(bytes, start, 'proxy-connection') ? KNOWN.connection : -1
    case 17:
      return isName(bytes, start, 'transfer-encoding') ? KNOWN.transferEncoding : -1
    default:
      return -1
  }
}

/** `lower` has letters and hyphens only: of a token's bytes no others fold to these. */
function isName(bytes: Uint8Array, start: number, lower: string): boolean {
  for (let at = 0; at < lower.length; at++) {
    if ((bytes[start + at]! | 0x20) !== lower.charCodeAt(at)) return false
  }
  return true
}
