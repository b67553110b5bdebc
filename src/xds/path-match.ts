import { type PathPattern, parsePath } from '../routing/path-pattern.ts'
import type { Message } from './codec.ts'
import { extension } from './policy.ts'

/** How Envoy recognises the paths of one pattern in `:path`, which carries the query too. */
export interface PathMatch {
  /** What all such paths begin with, as far as it has one spelling. */
  readonly prefix: string
  /** Sorts the more specific pattern first: `0` literal, `1` parameter, `2` rest, for each segment. */
  readonly rank: string
  /** Equal for patterns alike: names of parameters left out. */
  readonly shape: string
  readonly predicate: Message
}

/** RFC 3986, section 2.3: Envoy has decoded these, and encodes none of them. */
const UNRESERVED = /^[\w.~-]*$/
const UNRESERVED_START = /^[\w.~-]*/
const RANKS = { literal: '0', param: '1', rest: '2' } as const

/** @throws FezzError `INVALID_MANIFEST` */
export function pathMatch(path: string): PathMatch {
  const { segments, literal } = parsePath(path)
  const isPlain = literal !== undefined && segments.every(({ text }) => UNRESERVED.test(text))
  return {
    prefix: commonPrefix(segments),
    rank: segments.map(({ kind }) => RANKS[kind]).join(''),
    shape: segments.map(({ kind, text }) => `/${kind === 'literal' ? `=${text}` : kind}`).join(''),
    predicate: isPlain
      ? anyOf([pathIs({ exact: literal }), pathIs({ prefix: `${literal}?` })])
      : pathIs({ safe_regex: { google_re2: {}, regex: pathRegex(segments) } }),
  }
}

/** A condition on a header of the request; `:path` and `:method` are among them. */
export function headerIs(header: string, match: Message): Message {
  return { single_predicate: { input: headerInput(header), value_match: match } }
}

/** @param predicates one at least */
export function anyOf(predicates: readonly Message[]): Message {
  return predicates.length === 1 ? predicates[0]! : { or_matcher: { predicate: predicates } }
}

/** A header as the input of a matcher. */
export function headerInput(header: string): Message {
  return {
    name: header,
    typed_config: extension('envoy.type.matcher.v3.HttpRequestHeaderMatchInput', {
      header_name: header,
    }),
  }
}

function pathIs(match: Message): Message {
  return headerIs(':path', match)
}

function commonPrefix(segments: PathPattern['segments']): string {
  let prefix = ''
  for (const { kind, text } of segments) {
    prefix += '/'
    if (kind !== 'literal') break
    const start = UNRESERVED_START.exec(text)![0]
    prefix += start
    if (start !== text) break
  }
  return prefix
}

/** Of the whole value, the query included. */
function pathRegex(segments: PathPattern['segments']): string {
  const parts = segments.map(({ kind, text }) => {
    if (kind === 'param') return '[^/?]+'
    return kind === 'rest' ? '[^?]*' : Array.from(text, charRegex).join('')
  })
  return `/${parts.join('/')}(?:\\?.*)?`
}

/** Every spelling of a character of a canonical path (see canonicalPath in src/routing). */
function charRegex(char: string): string {
  if (UNRESERVED.test(char)) return char === '.' ? '\\.' : char
  const code = char.codePointAt(0)!
  // A lone surrogate stands for a delimiter that was escaped, and has to be.
  if (code >= 0xdc00 && code <= 0xdfff) return escapeRegex(code - 0xdc00)
  const escapes = Array.from(Buffer.from(char), escapeRegex).join('')
  return code < 0x80 ? `(?:\\${char}|${escapes})` : escapes
}

function escapeRegex(byte: number): string {
  const hex = byte.toString(16).padStart(2, '0')
  return `%${hex.replace(/[a-f]/g, digit => `[${digit}${digit.toUpperCase()}]`)}`
}
