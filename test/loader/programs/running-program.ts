import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type IncomingHttpHeaders, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import type { ProgramCode } from '../../../src/function/contract.ts'
import { Loader } from '../../../src/loader/loader.ts'
import { CACHE } from '../../services/cache.ts'
import { onPath } from '../../services/run.ts'
import { createProject, type Files, silent } from '../project.ts'

/** Kept between runs: what Go, pip and npm fetch and build first takes longer than a test may. */
const CACHE_DIR = join(CACHE, 'programs')

const POLL_MS = 10

/** What a program has answered. */
export interface ProgramAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/**
 * Whether a tool is on PATH; said loudly when it is not: the tests that need it are skipped then.
 *
 * @throws when it is not and `FEZZ_REQUIRE_SERVICES=1`
 */
export async function hasTool(name: string): Promise<boolean> {
  if ((await onPath(name)) !== undefined) return true
  const message = `${name} is missing: it is not on PATH`
  if (process.env['FEZZ_REQUIRE_SERVICES'] === '1') throw new Error(message)
  console.warn(`SKIPPING TESTS: ${message}`)
  return false
}

/** Builds the one function of a folder by Fezz's own runtimes; the messages when it does not build. */
export async function buildFolder(folder: string): Promise<ProgramCode | string[]> {
  const loader = new Loader({ cacheDir: CACHE_DIR, log: silent })
  const { functions, errors } = await loader.load([folder])
  const code = functions[0]?.code
  if (code?.kind === 'program') return code
  return errors.map(({ message }) => message.replaceAll(folder, ''))
}

/** Builds `app/` out of these files, or says why it does not build. */
export async function buildApp(files: Files): Promise<ProgramCode | string[]> {
  const folder = await createProject(
    Object.fromEntries(Object.entries(files).map(([path, text]) => [join('app', path), text])),
  )
  // Not that folder itself: the source files of a folder that is named are functions.
  return buildFolder(folder)
}

/** A program as an executor runs it, on a socket of its own; gone when the test is. */
export class RunningProgram {
  readonly #child: ChildProcess
  readonly #socket: string
  readonly #ended: Promise<unknown[]>
  /** All that it has written so far. */
  output = ''

  private constructor(child: ChildProcess, socket: string) {
    this.#child = child
    this.#socket = socket
    this.#ended = once(child, 'close')
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', chunk => {
        this.output += chunk
      })
    }
  }

  /** Builds and starts these files; resolves when it listens. */
  static async of(files: Files, env: Readonly<Record<string, string>> = {}) {
    const code = await buildApp(files)
    if (Array.isArray(code)) throw new Error(code.join('\n'))
    return RunningProgram.start(code, env)
  }

  /** Resolves when it listens. @throws with what it has written when it ends before */
  static async start(code: ProgramCode, env: Readonly<Record<string, string>> = {}) {
    const folder = await mkdtemp(join(tmpdir(), 'fezz-program-'))
    const socket = join(folder, 's')
    const [name = '', ...args] = code.command
    const child = spawn(name.includes('/') ? resolve(code.folder, name) : name, args, {
      cwd: code.folder,
      env: {
        PATH: process.env['PATH'],
        HOME: folder,
        // Whoever listens there instead has not seen the socket.
        PORT: '1',
        FEZZ_SOCKET: socket,
        ...code.env,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const program = new RunningProgram(child, socket)
    onTestFinished(async () => {
      child.kill('SIGKILL')
      await program.#ended
      await rm(folder, { recursive: true, force: true })
    })
    await program.#untilListening()
    return program
  }

  fetch(
    path: string,
    init: { method?: string; headers?: Record<string, string>; body?: string } = {},
  ): Promise<ProgramAnswer> {
    const { body, ...rest } = init
    const { promise, resolve, reject } = Promise.withResolvers<ProgramAnswer>()
    const options = { agent: false, socketPath: this.#socket, path, ...rest }
    const sent = request(options, answer => {
      let text = ''
      answer.setEncoding('utf8').on('data', chunk => {
        text += chunk
      })
      answer.once('error', reject)
      answer.once('end', () =>
        resolve({ status: answer.statusCode as number, headers: answer.headers, body: text }),
      )
    })
    sent.once('error', reject).end(body)
    return promise
  }

  /** Asks it to end; how it did. */
  async stop(): Promise<{ code: unknown; signal: unknown }> {
    this.#child.kill('SIGTERM')
    const [code, signal] = await this.#ended
    return { code, signal }
  }

  async #untilListening(): Promise<void> {
    let hasEnded = false
    void this.#ended.then(() => {
      hasEnded = true
    })
    for (;;) {
      const listens = await this.fetch('/').then(
        () => true,
        () => false,
      )
      if (listens) return
      if (hasEnded) throw new Error(this.output)
      await sleep(POLL_MS)
    }
  }
}
