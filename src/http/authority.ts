import { isIPv4 } from 'node:net'
import { FezzError } from '../errors.ts'
import { ownText } from './own-text.ts'

const AUTHORITY = /^(?:[a-z\d._-]{1,255}|\[[a-f\d:.]{2,45}\])(?::(\d{1,5}))?$/
const NUMERIC_LAST_LABEL = /(?:^|\.)(?:\d+|0x[\da-f]*)\.?$/
const MAX_CACHED = 2048

/** Validated spellings. Bounded: the oldest goes first, so hosts made up by a client cost nothing. */
const known = { http: new Map<string, string>(), https: new Map<string, string>() }

/**
 * Validates a Host header or another `host[:port]` (RFC 9110, section 7.2) and returns it in lower
 * case, without the scheme's default port, an IPv6 address in its shortest form.
 *
 * @throws FezzError `BAD_REQUEST` when it is empty or anything but a name, an IPv4 address or an
 *   IPv6 address in brackets with an optional port from 1 to 65535; userinfo, lists, white space
 *   and escapes are among what is refused
 */
export function normaliseAuthority(value: string, scheme: 'http' | 'https'): string {
  const cache = known[scheme]
  const hit = cache.get(value)
  if (hit !== undefined) return hit
  const authority = validate(value.toLowerCase(), scheme)
  if (cache.size >= MAX_CACHED) cache.delete(cache.keys().next().value as string)
  cache.set(ownText(value), authority)
  return authority
}

function validate(value: string, scheme: 'http' | 'https'): string {
  if (value === '') throw refusal('must not be empty')
  const match = AUTHORITY.exec(value)
  if (match === null) throw refusal('must be a host with an optional port')
  const port = match[1]
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) {
    throw refusal('must have a port from 1 to 65535')
  }
  const name = port === undefined ? value : value.slice(0, -port.length - 1)
  if (name.startsWith('.') || name.includes('..')) throw refusal('must not have empty labels')
  // The URL standard reads `127.1` and `0x7f.1` as IPv4 addresses: a route's host never would.
  if (NUMERIC_LAST_LABEL.test(name) && !isIPv4(name)) throw refusal('has a bad IPv4 address')
  return parse(`${scheme}://${value}`)
}

/** What `new URL(request.url).host` will say; also refuses what the URL standard does (punycode). */
function parse(url: string): string {
  try {
    return new URL(url).host
  } catch (cause) {
    throw refusal('must be a host with an optional port', cause)
  }
}

function refusal(why: string, cause?: unknown): FezzError {
  return new FezzError('BAD_REQUEST', `The host ${why}`, { cause })
}
