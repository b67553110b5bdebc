import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdirSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { serialize } from 'node:v8'
import type { FunctionContext } from 'fezz'
import type { Misbehaviour } from '../matrix.ts'

// What a function can do to whoever runs it; a file for each is made of it, see served-folder.ts.

type Deed = (query: URLSearchParams, context: FunctionContext) => unknown

const MEBIBYTE = 2 ** 20
/** A process that starts two like itself, and ends by itself in case that nothing else ends it. */
const BOMB = `
  setTimeout(process.exit, 15_000)
  process.on('uncaughtException', () => {})
  const { spawn } = require('node:child_process')
  const depth = Number(process.argv[1])
  for (let one = 0; one < 2 && depth > 0; one++) {
    const more = ['-e', process.env.BOMB, depth - 1]
    spawn(process.execPath, more, { stdio: 'ignore' }).on('error', () => {})
  }`
/** Lines that go out with one call: a call for each would take too long. */
const PACK = 64
const PRINTED_PACK = Buffer.from('line\n'.repeat(PACK))
const LOGGED_PACK = loggedPack()
const instance = randomUUID()

/** What must not be collected: leaks. */
const kept: unknown[] = []
let openStreams = 0
let producedBytes = 0

const deeds: Readonly<Record<Misbehaviour, Deed>> = {
  'endless-loop'() {
    for (;;) Math.random()
  },

  async 'promise-chain'() {
    for (;;) await null
  },

  buffers(query) {
    const megabytes = Number(query.get('megabytes'))
    for (let held = 0; held < megabytes; held += 64) kept.push(Buffer.alloc(64 * MEBIBYTE, 1))
    return { megabytes }
  },

  /** Each process starts two of its own kind, to a depth; then it tries to start `more`. */
  async 'fork-bomb'(query) {
    const start = (source: string, argument = '') =>
      spawn(process.execPath, ['-e', source, argument], {
        stdio: 'ignore',
        env: { ...process.env, BOMB },
      }).on('error', () => {})
    for (let one = 0; one < 2; one++) start(BOMB, query.get('depth') ?? '')
    // Long enough for a few generations.
    await sleep(1_000)
    const more = Array.from({ length: Number(query.get('more')) }, () => start(''))
    return { refused: more.filter(({ pid }) => pid === undefined).length }
  },

  'open-files'(query) {
    const most = Number(query.get('most'))
    try {
      while (kept.length < most) kept.push(openSync('/dev/null', 'r'))
    } catch (error) {
      return { opened: kept.length, refused: (error as NodeJS.ErrnoException).code }
    }
    return { opened: kept.length }
  },

  'log-lines'(query, { log }) {
    const count = Number(query.get('count'))
    const print = {
      stdout: (n: number) => console.log(`line ${n}`),
      stderr: (n: number) => console.error(`line ${n}`),
      log: (n: number) => log.info({ n }, 'line'),
      descriptor: (n: number) => n % PACK === 0 && writeWhole(1, PRINTED_PACK),
      channel: (n: number) => n % PACK === 0 && writeWhole(3, LOGGED_PACK),
    }[query.get('to') as 'stdout' | 'stderr' | 'log' | 'descriptor' | 'channel']
    for (let n = 0; n < count; n++) print(n)
    return { count }
  },

  exit() {
    process.exit(7)
  },

  abort() {
    process.abort()
  },

  segfault() {
    // Of Node 26; a fault of the processor and not only the signal that tells of one.
    const ffi = process.getBuiltinModule('node:ffi' as 'node:os') as
      | { getInt8?(address: bigint, offset: number): number }
      | undefined
    ffi?.getInt8?.(8n, 0)
    process.kill(process.pid, 'SIGSEGV')
    return sleep(5_000)
  },

  rejection() {
    void Promise.reject(new Error('nobody catches this'))
    return { rejected: true }
  },

  'endless-response'() {
    openStreams++
    return endless(20, 1, () => openStreams--)
  },

  'slow-reader'() {
    return endless(0, 65_536, () => {})
  },

  reading(query) {
    const secret = query.get('name') ?? ''
    const environments = [JSON.stringify(process.env), ...environmentsOfProcesses()]
    return { found: environments.filter(text => text.includes(secret)).length }
  },

  writing(query) {
    const path = query.get('path') ?? ''
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, 'written')
    return { path }
  },
}

/** What else can be asked of each of them: whether it is well, and what it remembers. */
const questions: Readonly<Record<string, () => unknown>> = {
  fine: () => ({ instance, openStreams, producedBytes }),
}

/** The function that does `misbehaviour`, and answers `/fine` as any other. */
export function misbehaving(misbehaviour: Misbehaviour) {
  return async (request: Request, context: FunctionContext): Promise<Response> => {
    const { pathname, searchParams } = new URL(request.url)
    const question = questions[pathname.split('/')[2] ?? '']
    const answer = await (question?.() ?? deeds[misbehaviour](searchParams, context))
    return answer instanceof Response ? answer : Response.json(answer)
  }
}

function endless(pauseMs: number, bytes: number, over: () => void): Response {
  return new Response(
    new ReadableStream({
      async pull(controller) {
        if (pauseMs > 0) await sleep(pauseMs)
        producedBytes += bytes
        controller.enqueue(new Uint8Array(bytes))
      },
      cancel: over,
    }),
  )
}

/** Past all that Node or Fezz could do about it here. */
function writeWhole(descriptor: number, bytes: Buffer): void {
  let rest = bytes
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(descriptor, rest))
    } catch {
      // It is full; whoever reads it decides how fast this goes.
    }
  }
}

/** What a runner says to its host when its function logs so many lines: see socket-channel.ts. */
function loggedPack(): Buffer {
  const line = { type: 'log', level: 'info', fields: '{}', message: 'line' }
  const payload = serialize(Array(PACK).fill(line))
  const head = Buffer.alloc(4)
  head.writeUInt32BE(payload.length)
  return Buffer.concat([head, payload])
}

function environmentsOfProcesses(): string[] {
  return readdirSync('/proc').flatMap(name => {
    if (!/^(?:\d+|self)$/.test(name)) return []
    try {
      return readFileSync(`/proc/${name}/environ`, 'latin1')
    } catch {
      return []
    }
  })
}
