import * as corpus from './corpus.ts'
import { LIMITS } from './limits.ts'
import { mutate } from './mutate.ts'
import type { Random } from './random.ts'

// How seldom each part of a request is an odd one: most are good, so that the parsers come far.
const ODD = 32
const MOST_REQUESTS = 4

/** The bytes of one connection: requests one behind the other, some of them broken. */
export function generateStream(random: Random): Buffer {
  if (random.oneIn(40)) return Buffer.from(soup(random), 'latin1')
  let text = ''
  for (let count = 1 + random.below(MOST_REQUESTS); count > 0; count--) {
    if (random.oneIn(ODD)) text += random.pick(corpus.BETWEEN_ODD)
    text += request(random)
  }
  for (let count = random.pick([0, 0, 0, 1, 1, 2]); count > 0; count--) text = mutate(random, text)
  if (random.oneIn(16)) text = text.slice(0, random.below(text.length + 1))
  return Buffer.from(text, 'latin1')
}

/** What no client would send. */
function soup(random: Random): string {
  const parts = ['GET / HTTP/1.1\r\n', 'Host: a.test\r\n', 'Transfer-Encoding: chunked\r\n\r\n']
  const text = Array.from({ length: random.below(12) }, () => random.pick(corpus.INSERTIONS))
  return random.pick(parts) + text.join('')
}

function request(random: Random): string {
  const { head, body } = payload(random)
  const lines = [
    requestLine(random),
    ...shuffled(random, [host(random), ...head, ...fields(random)]),
  ]
  let text = ''
  for (const line of lines) if (line !== '') text += line + lineEnd(random)
  return text + lineEnd(random) + body
}

function requestLine(random: Random): string {
  const method = random.mostly(corpus.METHODS_USUAL, corpus.METHODS_ODD, ODD)
  const target = random.mostly(corpus.TARGETS_USUAL, corpus.TARGETS_ODD, 12)
  const version = random.mostly(corpus.VERSIONS_USUAL, corpus.VERSIONS_ODD, ODD)
  return method + space(random) + target + space(random) + version
}

function host(random: Random): string {
  return random.mostly(corpus.HOSTS_USUAL, corpus.HOSTS_ODD, ODD)
}

function fields(random: Random): string[] {
  const list: string[] = []
  for (let count = random.below(5); count > 0; count--) {
    list.push(random.mostly(corpus.FIELDS_USUAL, corpus.FIELDS_ODD, 8))
  }
  if (random.oneIn(64)) {
    const count = LIMITS.maxHeaders - 4 + random.below(6)
    for (let i = 0; i < count; i++) list.push(`X-${i}: ${i}`)
  }
  if (random.oneIn(64))
    list.push(`X-Long: ${'v'.repeat(LIMITS.maxHeaderBytes - random.below(200))}`)
  if (random.oneIn(64)) list.push(`${'N'.repeat(random.below(80))}: v`)
  return list
}

interface Payload {
  readonly head: string[]
  readonly body: string
}

function payload(random: Random): Payload {
  switch (random.below(8)) {
    case 0:
    case 1: {
      const body = content(random)
      return { head: [`Content-Length: ${length(random, body)}`], body }
    }
    case 2:
    case 3:
      return { head: [coding(random)], body: chunks(random) }
    case 4:
      return random.oneIn(4) ? conflict(random) : { head: [], body: '' }
    default:
      return { head: [], body: '' }
  }
}

/** Two ways to tell where the body ends. */
function conflict(random: Random): Payload {
  const body = random.oneIn(2) ? chunks(random) : content(random)
  const right = `Content-Length: ${body.length}`
  const head = random.pick([
    [right, coding(random)],
    [coding(random), coding(random)],
    [right, right],
    [right, 'Content-Length: 0'],
    ['Content-Length: 0', coding(random)],
  ])
  return { head, body }
}

function length(random: Random, body: string): string {
  return random.mostly([String(body.length)], [...corpus.LENGTHS_ODD, String(body.length + 1)], 8)
}

function coding(random: Random): string {
  return `Transfer-Encoding: ${random.mostly(corpus.CODINGS_USUAL, corpus.CODINGS_ODD, 8)}`
}

function content(random: Random): string {
  if (random.oneIn(8)) return 'GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n'
  if (random.oneIn(1_024)) return 'large'.repeat(random.below(40_000))
  return '0123456789abcdef\r\n\0\xff'.repeat(1 + random.below(4)).slice(0, random.below(48))
}

function chunks(random: Random): string {
  let text = ''
  for (let count = random.below(4); count > 0; count--) {
    const data = content(random)
    if (data !== '') text += chunkLine(random, data.length) + data + lineEnd(random)
  }
  text += chunkLine(random, 0)
  for (let count = random.pick([0, 0, 0, 1, 2]); count > 0; count--) {
    text += random.mostly(corpus.TRAILERS_USUAL, corpus.TRAILERS_ODD, 4) + lineEnd(random)
  }
  if (random.oneIn(64)) {
    text += `X-Long: ${'v'.repeat(LIMITS.maxHeaderBytes - random.below(40))}\r\n`
  }
  return text + lineEnd(random)
}

function chunkLine(random: Random, size: number): string {
  const digits = random.mostly(
    [size.toString(16), size.toString(16).toUpperCase(), `0${size.toString(16)}`],
    corpus.SIZES_ODD,
    2 * ODD,
  )
  return digits + random.mostly([''], corpus.SIZE_ENDS_ODD, 8) + lineEnd(random)
}

function lineEnd(random: Random): string {
  return random.mostly(['\r\n'], corpus.LINE_ENDS_ODD, 200)
}

function space(random: Random): string {
  return random.mostly([' '], corpus.SPACES_ODD, 50)
}

function shuffled<T>(random: Random, list: T[]): T[] {
  for (let at = list.length - 1; at > 0; at--) {
    const other = random.below(at + 1)
    const item = list[at]!
    list[at] = list[other]!
    list[other] = item
  }
  return list
}
