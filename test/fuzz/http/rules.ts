import type { EngineReading } from './engine.ts'
import { LIMITS } from './limits.ts'
import { type Look, looksLike } from './look.ts'

/** Why the engine refuses what node reads; on purpose, each of them. */
interface Rule {
  readonly name: string
  /** What the engine says. */
  readonly message: RegExp
  /**
   * What there must be in the message it refuses. Seen without the parser, so that a mistake of the
   * parser is not explained away.
   */
  holds(look: Look): boolean
}

const { maxHeaders, maxTargetBytes, maxHeaderBytes } = LIMITS
// A chunk may begin like a line, and a line like a chunk: this tells what may be, not what is.
const LARGE_SIZE = /(?:^|\n)(?:0*(?:[2-9a-f][\da-f]{13}|[1-9a-f][\da-f]{14})|[\da-f]{17})/i
const TOKEN = "[!#$%&'*+\\-.^_`|~\\dA-Za-z]+"
const QUOTED = '"(?:[^"\\\\]|\\\\.)*"'
const CHUNK_LINE = new RegExp(`^[\\dA-Fa-f]+(?:;${TOKEN}(?:=(?:${TOKEN}|${QUOTED}))?)*$`)
const RTSP =
  /^(?:DESCRIBE|ANNOUNCE|SETUP|PLAY|PAUSE|TEARDOWN|GET_PARAMETER|SET_PARAMETER|REDIRECT|RECORD|FLUSH) /

const RULES: readonly Rule[] = [
  {
    name: 'more than one empty line before a request',
    message: /malformed method/,
    holds: ({ text }) => /^\r\n\r/.test(text),
  },
  {
    name: 'a bare LF before a request',
    message: /malformed method/,
    holds: ({ text }) => /^(?:\r\n)?\n/.test(text),
  },
  {
    name: 'a bare CR before a request',
    message: /bare CR/,
    holds: ({ text }) => /^\r[^\n]/.test(text),
  },
  {
    name: 'the method PRI, at which node waits for the rest of HTTP/2’s preface',
    message: /method is not implemented/,
    holds: ({ line }) => line.startsWith('PRI '),
  },
  {
    name: 'a method of RTSP, which node refuses at the version only',
    message: /method is not implemented/,
    holds: ({ line }) => RTSP.test(line),
  },
  {
    name: 'more than one space before the target',
    message: /not visible ASCII/,
    holds: ({ line }) => /^[A-Z-]+ {2}/.test(line),
  },
  {
    name: 'more than one space before the version',
    message: /malformed version/,
    holds: ({ line }) => /^[A-Z-]+ [!-~]+ {2}/.test(line),
  },
  {
    name: 'ICE or RTSP in place of HTTP',
    message: /malformed version/,
    holds: ({ line }) => /^[A-Z-]+ [!-~]+ (?:I[CE]{0,2}|R[TSP]{0,3})(?:\/|$)/.test(line),
  },
  {
    name: 'no version, as in HTTP/0.9',
    message: /only versions served/,
    holds: ({ line }) => /^[A-Z-]+ [!-~]+$/.test(line),
  },
  {
    name: 'no version and a bare LF, which node reads on behind',
    message: /not visible ASCII/,
    holds: ({ line }) => /^[A-Z-]+ [!-~]+\n/.test(line),
  },
  {
    name: 'version 0.9 or 2.0',
    message: /only versions served/,
    holds: ({ line }) => / HTTP\/(?:0\.9|2\.0)$/.test(line),
  },
  {
    name: 'a target longer than `maxTargetBytes`',
    message: /target is longer/,
    holds: ({ line }) => (line.split(' ')[1] ?? '').length > maxTargetBytes,
  },
  {
    name: 'more fields than `maxHeaders`, those of the trailers included',
    message: /more than \d+ headers/,
    holds: ({ fields, tail }) => fields.length + tail.split('\r\n').length > maxHeaders,
  },
  {
    name: 'a head or trailers larger than `maxHeaderBytes`, of which node counts names and values only',
    message: /head is larger/,
    holds: ({ text }) => text.length >= maxHeaderBytes,
  },
  {
    name: 'more than one Host',
    message: /more than one Host/,
    holds: look => look.values('host').length > 1,
  },
  {
    name: 'more than one Transfer-Encoding',
    message: /more than one Transfer-Encoding/,
    holds: look => look.values('transfer-encoding').length > 1,
  },
  {
    name: 'Transfer-Encoding in HTTP/1.0',
    message: /Transfer-Encoding in HTTP\/1.0/,
    holds: look => look.line.endsWith('/1.0') && look.values('transfer-encoding').length > 0,
  },
  {
    name: 'a transfer coding besides chunked, which node lets pass before chunked or with an Upgrade',
    message: /only transfer coding/,
    holds: ({ fields }) =>
      fields.some(field => /^transfer-encoding:(?![ \t]*chunked *$)/i.test(field)),
  },
  {
    name: 'a Content-Length of more than 19 digits',
    message: /malformed Content-Length/,
    holds: look => look.values('content-length').some(value => /^\d{20,}$/.test(value)),
  },
  {
    name: 'a chunk size of more than 16 digits, or past 2^53 - 1',
    message: /malformed chunk size/,
    holds: ({ tail }) => LARGE_SIZE.test(tail),
  },
  {
    name: 'a chunk extension against the grammar: an empty name or value, a second `=`',
    message: /malformed chunk size/,
    holds: ({ tail }) =>
      tail.split('\r\n').some(line => /^[\da-f]+;/i.test(line) && !CHUNK_LINE.test(line)),
  },
  {
    name: 'more than 4,096 bytes of chunk extensions in a body',
    message: /chunk extensions are too large/,
    holds: ({ tail }) => tail.length > 4_096 && tail.includes(';'),
  },
  {
    name: 'Host, Connection, Proxy-Connection, Expect or Upgrade as a trailer',
    message: /trailer that belongs/,
    holds: ({ tail }) =>
      /\n0+(?:;.*)?\r\n(?:.+\r\n)*(?:host|(?:proxy-)?connection|expect|upgrade):/i.test(
        `\n${tail}`,
      ),
  },
]

/** The rule by which the engine refuses a message that begins with `text`; `undefined`: none does. */
export function ruleOf({ error, isClosed }: EngineReading, text: string): string | undefined {
  if (isClosed) return 'a request behind one of HTTP/1.0 with keep-alive, since each closes'
  if (error === undefined) return undefined
  const look = looksLike(text)
  return RULES.find(rule => rule.message.test(error.message) && rule.holds(look))?.name
}
