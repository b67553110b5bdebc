import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from './random.ts'
import { ANSWERS, type Answer, contentOf, NEVER_WHOLE, PERHAPS_LAST } from './soak-handler.ts'
import { strictResponses } from './strict-responses.ts'

const MOST_REQUESTS = 6
/** How a client goes: when it has all, by halves, by a reset, at once. */
const ENDS = ['waits', 'waits', 'waits', 'half-closes', 'resets', 'leaves'] as const

interface Planned {
  readonly answer: Answer
  readonly method: string
  readonly nonce: string
  readonly size: number
  readonly body: string
  readonly bytes: string
}

let nonces = 0

/** One connection with random requests, sent in random pieces. @throws for each wrong answer */
export async function soakClient(port: number, random: Random): Promise<void> {
  const planned = Array.from({ length: 1 + random.upTo(MOST_REQUESTS - 1) }, () => plan(random))
  const end = random.of(ENDS)
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  const received: Buffer[] = []
  let hasEnded = false
  let failure: Error | undefined
  socket.on('data', chunk => received.push(chunk as Buffer))
  socket.on('end', () => {
    hasEnded = true
  })
  socket.on('error', error => {
    failure = error
  })
  if (random.chance(0.2)) slowDown(socket, random)
  const text = () => Buffer.concat(received).toString('latin1')
  const methods = planned.map(({ method }) => method)

  await send(socket, planned.map(({ bytes }) => bytes).join(''), random)
  if (end === 'half-closes') socket.end()
  if (end === 'resets' || end === 'leaves') await sleep(random.upTo(15))
  if (end === 'resets') socket.resetAndDestroy()
  if (end === 'leaves') socket.destroy()
  const isWhole = () => answersIn(text(), methods, hasEnded).length >= planned.length
  const mayHang = planned.some(({ answer }) => answer === 'waits')
  for (let looks = 0; end === 'waits' || end === 'half-closes'; looks++) {
    if (hasEnded || socket.destroyed || isWhole()) break
    if (mayHang && looks > 10) break
    if (looks > 1_500) {
      const asked = planned.map(({ bytes }) => bytes.slice(0, 150))
      throw new Error(`hangs: ${JSON.stringify({ asked, end, text: text().slice(-2_000) })}`)
    }
    await sleep(10)
  }
  socket.destroy()
  const isComplete = end === 'waits' && failure === undefined && !mayHang
  check(planned, answersIn(text(), methods, hasEnded), isComplete, text())
}

function check(
  planned: readonly Planned[],
  answers: ReturnType<typeof answersIn>,
  isComplete: boolean,
  text: string,
): void {
  const fail = (why: string): never => {
    const asked = planned.map(({ bytes }) => bytes.slice(0, 150))
    throw new Error(`${why}: ${JSON.stringify({ asked, text: text.slice(-3_000) })}`)
  }
  answers.forEach(({ status, headers, body }, index) => {
    const { answer, method, nonce, size, ...request } = planned[index] ?? fail('too many answers')
    if (status >= 400 && (answer === 'throws' || headers.get('connection') === 'close')) return
    if (headers.get('x-nonce') !== nonce) fail(`answer ${index} is of another request`)
    if (method === 'HEAD' || status === 204 || status === 304) return
    const right = {
      later: contentOf(nonce, size).slice(0, 1_000),
      bytes: contentOf(nonce, size),
      string: contentOf(nonce, size),
      stream: contentOf(nonce, size),
      echo: request.body,
      pipe: request.body,
    }
    const expected = right[answer as keyof typeof right]
    if (expected !== undefined && body !== expected) fail(`body of answer ${index}`)
  })
  const isLast = answers.at(-1)?.headers.get('connection') === 'close'
  const cut = planned.findIndex(({ answer }) => NEVER_WHOLE.has(answer))
  const last = planned.findIndex(({ answer }) => PERHAPS_LAST.has(answer)) + 1
  const least = Math.min(...[cut, last || -1].map(at => (at === -1 ? planned.length : at)))
  if (isComplete && !isLast && answers.length < least) fail('answers are missing')
}

function answersIn(text: string, methods: readonly string[], hasEnded: boolean) {
  return strictResponses(text, methods, hasEnded).responses.filter(({ status }) => status >= 200)
}

function plan(random: Random): Planned {
  const answer = random.of(ANSWERS)
  const nonce = `n${++nonces}.`
  const size = random.chance(0.3) ? random.upTo(600_000) : random.upTo(2_000)
  const hasBody = random.chance(0.5)
  const method = hasBody ? 'POST' : random.of(['GET', 'GET', 'HEAD'])
  const body = hasBody ? contentOf(nonce, random.upTo(random.chance(0.2) ? 300_000 : 3_000)) : ''
  const expects = hasBody && body !== '' && random.chance(0.1) ? 'Expect: 100-continue\r\n' : ''
  const isChunked = hasBody && random.chance(0.5)
  const framing = isChunked
    ? 'Transfer-Encoding: chunked\r\n'
    : `Content-Length: ${body.length}\r\n`
  const closes = random.chance(0.05) ? 'Connection: close\r\n' : ''
  const head = `${method} /${answer}/${nonce}/${size} HTTP/1.1\r\nHost: a\r\n${expects}${closes}`
  const content = isChunked ? chunked(body, random) : body
  const bytes = `${head}${hasBody ? framing : ''}\r\n${content}`
  return { answer, method, nonce, size, body, bytes }
}

function chunked(body: string, random: Random): string {
  const parts: string[] = []
  const most = random.of([3, 100, 50_000])
  for (let at = 0; at < body.length; ) {
    const piece = body.slice(at, at + 1 + random.upTo(most))
    parts.push(`${piece.length.toString(16)}\r\n${piece}\r\n`)
    at += piece.length
  }
  return `${parts.join('')}0\r\n${random.chance(0.2) ? 'A: b\r\n' : ''}\r\n`
}

/** In pieces of any size, now and then with a pause; stops when the connection is closed. */
async function send(socket: Socket, text: string, random: Random): Promise<void> {
  const most = random.of([20, 2_000, 200_000])
  let pieces = 0
  for (let at = 0; at < text.length && socket.writable; ) {
    // No more than some, or the long ones would take for ever.
    const length = pieces++ > 200 ? text.length : 1 + random.upTo(most)
    const isTaken = socket.write(text.slice(at, at + length), 'latin1')
    at += length
    if (!isTaken || random.chance(0.2)) await sleep(random.upTo(3))
  }
}

function slowDown(socket: Socket, random: Random): void {
  socket.on('data', () => {
    socket.pause()
    setTimeout(() => socket.resume(), random.upTo(8))
  })
}
