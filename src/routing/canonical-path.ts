/**
 * Paths are compared after percent-decoding, so `/caf%C3%A9` and `/%63af%c3%a9` are one path. What
 * would lose its meaning by that (`/`, `%`, `?`, `#` written as `%2F`, `%25`, `%3F`, `%23`) becomes
 * a lone low surrogate, U+DC00 plus its code: no decoded text contains one, and find-my-way, which
 * would decode or cut at the plain characters, sees neither.
 */
const ESCAPE_BASE = 0xdc00
const ESCAPED_SLASH = escapeChar('/')

function escapeChar(char: string): string {
  return String.fromCharCode(ESCAPE_BASE + char.charCodeAt(0))
}

/**
 * The form in which a path (without query) is compared; the same string when nothing in it is
 * percent-encoded. `undefined` when the encoding is malformed or not UTF-8 (RFC 3986, section 2.1).
 */
export function canonicalPath(path: string): string | undefined {
  if (!path.includes('%')) return path
  try {
    return decodeURIComponent(path.replace(/%2f/gi, ESCAPED_SLASH)).replace(/[%?#]/g, escapeChar)
  } catch {
    return undefined
  }
}

/** Ends the decoding of captures taken from a canonical path, in place: `a%2Fb` is `a/b` now. */
export function restoreCaptures(params: Record<string, string>): void {
  for (const name in params) {
    // The u flag leaves the surrogate pairs of real characters alone.
    params[name] = params[name]!.replace(/[\uDC23\uDC25\uDC2F\uDC3F]/gu, char =>
      String.fromCharCode(char.charCodeAt(0) - ESCAPE_BASE),
    )
  }
}
