import { FezzError } from '../errors.ts'

// One pass decides that `new URL` would leave the target as it is: no segment starts with a dot or
// is empty, no escape in the path, and nothing that the URL standard would percent-encode.
const PLAIN =
  /^(?:\/(?![./])[\w\-.~!$&'()*+,;=:@]*)+(?:\?(?:[\w\-.~!$&()*+,;=:@/?]|%[\dA-Fa-f]{2})*)?$/

const NOT_VISIBLE_ASCII = /[^\x21-\x7e]/
const BAD_ESCAPE = /%(?![\dA-Fa-f]{2})/
const ABSOLUTE = /^https?:\/\/([^/?#]*)/i
const BASE = 'http://host'

/**
 * Brings a request target in origin-form (RFC 9112, section 3.2.1) into the one spelling that is
 * both routed and shown to the function: the path and query of the URL standard. Dot segments are
 * resolved, backslashes are slashes; double slashes and escaped separators stay as they are.
 *
 * @param raw the target as received, one character per byte
 * @throws FezzError `BAD_REQUEST` when it does not start with `/`, holds anything but visible
 *   ASCII, a fragment or a bad escape, or when its path does not decode to UTF-8 without NUL
 */
export function normaliseTarget(raw: string): string {
  return PLAIN.test(raw) ? raw : normaliseUnusual(raw)
}

function normaliseUnusual(raw: string): string {
  if (raw.charCodeAt(0) !== 0x2f) throw refusal('must start with a slash')
  if (NOT_VISIBLE_ASCII.test(raw)) throw refusal('must be visible ASCII')
  if (raw.includes('#')) throw refusal('must not carry a fragment')
  if (BAD_ESCAPE.test(raw)) throw refusal('has a bad percent-encoding')
  // Behind a host of our own, so that `//evil/path` stays a path. Cut out of `href`, because
  // `search` forgets an empty query.
  const target = new URL(BASE + raw).href.slice(BASE.length)
  const query = target.indexOf('?')
  const path = query === -1 ? target : target.slice(0, query)
  if (decodePath(path).includes('\0')) throw refusal('must not encode NUL')
  return target
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch (cause) {
    throw refusal('must encode UTF-8', cause)
  }
}

/**
 * Takes a target in absolute-form (RFC 9112, section 3.2.2) apart; `null` when it is not one.
 * The authority is as received: the caller validates it and compares it with Host.
 */
export function splitAbsoluteTarget(raw: string): { authority: string; target: string } | null {
  const match = ABSOLUTE.exec(raw)
  if (match === null) return null
  const rest = raw.slice(match[0].length)
  return { authority: match[1] ?? '', target: rest.startsWith('/') ? rest : `/${rest}` }
}

function refusal(why: string, cause?: unknown): FezzError {
  return new FezzError('BAD_REQUEST', `The request target ${why}`, { cause })
}
