import { hash } from 'node:crypto'
import { ANSWERS, type AnswerName, answerKind, linesOf } from './answers.ts'
import type { Answer } from './http-client.ts'

/** Sizes of bodies, most of them small. */
const SIZES = [0, 0, 1, 1, 1_024, 1_024, 1_024, 100 * 1_024]
const CHUNK_SIZES = [1, 100, 16, 8_192, 3]
const METHODS = ['GET', 'GET', 'GET', 'HEAD', 'POST', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
const NAMES = Object.keys(ANSWERS) as FiniteAnswer[]

type FiniteAnswer = Exclude<AnswerName, 'endless'>

/** One request, and what its answer has to be. */
export interface Ask {
  readonly nonce: string
  readonly method: string
  readonly answer: AnswerName
  /** `undefined`: not even an empty one. */
  readonly body: Uint8Array | undefined
  readonly isChunked: boolean
  /** The function answers without a look at the body. */
  readonly isUnread: boolean
  /** The body is sent once the other side wants it. */
  readonly awaitsContinue: boolean
}

/** What makes it a request whose body takes a while. */
export const UPLOAD = {
  method: 'POST',
  body: Buffer.alloc(100 * 1_024),
  isUnread: false,
} as const satisfies Partial<Ask>

/** @param isSmall whether nothing may be unusual about its body, for one that is pipelined */
export function randomAsk(random: () => number, nonce: string, isSmall = false): Ask {
  const method = oneOf(METHODS, random)
  const hasBody = method.startsWith('P') || (method === 'DELETE' && random() < 0.3)
  const size = isSmall ? 64 : oneOf(SIZES, random)
  const body = hasBody ? Buffer.from(linesOf(nonce, size)) : undefined
  const isUnusual = (share: number) => hasBody && !isSmall && random() < share
  return {
    nonce,
    method,
    answer: oneOf(NAMES, random),
    body,
    isChunked: hasBody && random() < 0.4,
    isUnread: isUnusual(0.15),
    awaitsContinue: isUnusual(0.15) && size > 0,
  }
}

/** The head of the request as it is sent. */
export function headOf({ nonce, method, answer, body, ...ask }: Ask): string {
  const lines = [
    `${method} /mirror/${answer}?nonce=${nonce}${ask.isUnread ? '&unread' : ''} HTTP/1.1`,
    'Host: functions.example',
    `X-Nonce: ${nonce}`,
    `X-Request-Id: id-of-${nonce}`,
  ]
  if (body !== undefined) {
    lines.push(ask.isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`)
  }
  if (ask.awaitsContinue) lines.push('Expect: 100-continue')
  return `${lines.join('\r\n')}\r\n\r\n`
}

/** The body of the request as it is sent. */
export function encodedBody({ body = new Uint8Array(), isChunked }: Ask): Uint8Array {
  if (!isChunked) return body
  const parts: Uint8Array[] = []
  for (let at = 0, count = 0; at < body.length; count++) {
    const piece = body.subarray(at, at + (CHUNK_SIZES[count % CHUNK_SIZES.length] ?? 1))
    parts.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'))
    at += piece.length
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')])
}

/** What is wrong with its answer; `undefined`: nothing. */
export function faultOf(ask: Ask, { status, headers, body }: Answer): string | undefined {
  const { nonce, method, answer } = ask
  const wanted = answerKind(answer as FiniteAnswer)
  if (status !== wanted.status) return `status ${status}: ${body.subarray(0, 200)}`
  const head = { 'x-nonce': nonce, 'x-method': method, 'x-request-id': `id-of-${nonce}` }
  for (const [name, value] of Object.entries(head)) {
    if (headers.get(name) !== value) return `${name} is ${headers.get(name)}`
  }
  const digest = ask.isUnread ? undefined : hash('sha256', ask.body ?? '')
  if (headers.get('x-digest') !== digest) return 'its body has come as another'
  const expected = Buffer.from(wanted.body?.(nonce) ?? '')
  if (method === 'HEAD') {
    const length = headers.get('content-length') ?? expected.length
    return Number(length) === expected.length ? undefined : `of a length of ${length}`
  }
  if (!body.equals(expected)) return `another body: ${body.subarray(0, 200)}`
  return undefined
}

/** Shown with what went wrong. */
export function inWords({ nonce, method, answer, body, ...ask }: Ask): string {
  const kind = body === undefined ? '' : ` with ${body.length} bytes`
  const flags = [
    ask.isChunked && 'chunked',
    ask.isUnread && 'unread',
    ask.awaitsContinue && 'Expect',
  ]
  return [`${nonce}: ${method} for ${answer}${kind}`, ...flags.filter(Boolean)].join(', ')
}

function oneOf<T>(list: readonly T[], random: () => number): T {
  return list[Math.floor(random() * list.length)] as T
}
