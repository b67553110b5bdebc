import { FezzError } from '../errors.ts'
import { canonicalPath } from './canonical-path.ts'

/** One segment of a pattern; a literal's text is in its canonical form. */
interface PatternSegment {
  readonly kind: 'literal' | 'param' | 'rest'
  /** The literal, the parameter's name, or `*`. */
  readonly text: string
}

/** A checked path pattern. */
export interface PathPattern {
  readonly segments: readonly PatternSegment[]
  /** The canonical path it stands for when it captures nothing. */
  readonly literal: string | undefined
}

const PARAM = /^:[A-Za-z_][A-Za-z0-9_]*$/

/** RFC 3986's pchar without `( ) * :`, which read like pattern syntax, and without escapes. */
const PLAIN = /^[\w.~!$&'+,;=@-]*$/

/** The same with escapes and non-ASCII text; the joiners belong to some scripts and to emoji. */
const LITERAL = /^(?:[\w.~!$&'+,;=@-]|%[0-9A-Fa-f]{2}|(?![\p{Z}\p{C}])[^\0-\x7f]|[\u200c\u200d])*$/u

/**
 * Checks a path pattern and takes it apart.
 *
 * - `/users/list`: literal segments, case-sensitive; a trailing slash is significant. Non-ASCII
 *   text and percent-encodings match however the request encodes them.
 * - `:name`: one whole segment, never an empty one.
 * - `*`: as the last segment, the rest of the path, slashes included. `/api/*` matches `/api/`
 *   (with an empty rest) and `/api/x/y`, not `/api` and not `/apifoo`: declare `/api` too where it
 *   is wanted.
 *
 * @param where who declares it, for the message, e.g. `function "hello"`
 * @throws FezzError `INVALID_MANIFEST`, quoting the path and saying what to do
 */
export function parsePath(path: string, where = 'route'): PathPattern {
  const refuse = (problem: string): never => {
    throw new FezzError('INVALID_MANIFEST', `${where}: path ${JSON.stringify(path)} ${problem}`)
  }
  if (typeof path !== 'string') return refuse('is not a string')
  if (path[0] !== '/') return refuse(`must start with "/"; write ${JSON.stringify(`/${path}`)}`)

  const texts = path.slice(1).split('/')
  const segments: PatternSegment[] = []
  for (const [index, text] of texts.entries()) {
    const isLast = index === texts.length - 1
    if (text === '*') {
      if (!isLast) refuse('has "*" before its end; it must be the last segment')
      segments.push({ kind: 'rest', text })
    } else if (PARAM.test(text)) {
      const name = text.slice(1)
      if (segments.some(earlier => earlier.kind === 'param' && earlier.text === name)) {
        refuse(`names ":${name}" twice; give each parameter its own name`)
      }
      segments.push({ kind: 'param', text: name })
    } else {
      if (text === '' && !isLast) refuse('has an empty segment; write single slashes')
      segments.push({ kind: 'literal', text: parseLiteral(text, refuse) })
    }
  }
  const isLiteral = segments.every(segment => segment.kind === 'literal')
  const literal = isLiteral ? `/${segments.map(segment => segment.text).join('/')}` : undefined
  return { segments, literal }
}

function parseLiteral(text: string, refuse: (problem: string) => never): string {
  const literal = PLAIN.test(text) ? text : decodeLiteral(text, refuse)
  if (literal === '.' || literal === '..') {
    refuse('has a dot segment, which no request has; leave it out')
  }
  return literal
}

function decodeLiteral(text: string, refuse: (problem: string) => never): string {
  const quoted = JSON.stringify(text)
  if (text.includes(':')) {
    refuse(
      `has a ":" in ${quoted}; a parameter is a whole segment, ":" and then letters, digits and "_"; write %3A for the character`,
    )
  }
  if (!LITERAL.test(text) && !text.includes('*')) {
    refuse(`has a character in ${quoted} that paths do not have; percent-encode it`)
  }
  const literal =
    canonicalPath(text) ?? refuse(`has a percent-encoding in ${quoted} that is not UTF-8`)
  // Encoded too: find-my-way has no way to write the character.
  if (literal.includes('*')) refuse(`has a "*" in ${quoted}; it must be a whole segment, the last`)
  return literal
}
