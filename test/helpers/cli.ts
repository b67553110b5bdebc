import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll } from 'vitest'

const ROOT = resolve(import.meta.dirname, '../..')
const CLI = join(ROOT, 'dist/cli.js')

/** One line of the host's log. */
export interface LogLine {
  readonly level: string
  readonly msg: string
  readonly functionId?: string
  readonly [field: string]: unknown
}

export interface CliOptions {
  /** Beside the machine's own variables, of which those named `FEZZ_*` are taken out. */
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /**
   * The program that is Fezz, and its first arguments. Default: dist/cli.js of this checkout, on the
   * Node that runs the tests.
   */
  readonly command?: readonly [string, ...string[]]
  /** For {@link runCli}: ends it when its standard output matches. */
  readonly stopAfter?: RegExp
}

/** How a command ended. */
export interface CliResult {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

const OURS = /^(?:FEZZ_|VITEST|NODE_OPTIONS|NODE_ENV|npm_(?!config_)|npm_config_local_prefix)/
const children = new Set<ChildProcess>()
const folders = new Set<string>()

// Also for tests that were given up: nothing they have started outlives their file.
afterAll(async () => {
  await Promise.all(Array.from(children, end))
  await Promise.all(Array.from(folders, folder => rm(folder, { recursive: true, force: true })))
})

/** A folder that is gone when the tests of this file have ended. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fezz-e2e-'))
  folders.add(folder)
  return folder
}

/**
 * The environment of a user who has set nothing of Fezz and is inside no npm script, with the Node
 * that runs the tests.
 */
export function plainEnvironment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !OURS.test(name))
  const PATH = [dirname(process.execPath), process.env['PATH']].join(delimiter)
  return { ...Object.fromEntries(own), PATH }
}

/** Runs `fezz ...args` to its end. */
export async function runCli(
  args: readonly string[],
  options: CliOptions = {},
): Promise<CliResult> {
  const child = await start(args, options)
  const output = { stdout: '', stderr: '' }
  child.stdout?.on('data', chunk => {
    output.stdout += chunk
    if (options.stopAfter?.test(output.stdout)) child.kill('SIGTERM')
  })
  child.stderr?.on('data', chunk => {
    output.stderr += chunk
  })
  const [code, signal] = await once(child, 'close')
  return { ...output, code, signal }
}

/** Starts `fezz serve ...args` on a free port; resolves when it listens. */
export async function serve(args: readonly string[], options: CliOptions = {}): Promise<CliHost> {
  const host = new CliHost(await start(['serve', ...args], options))
  await host.line(({ msg }) => msg.startsWith('listening'))
  return host
}

/** A running host, as its user sees it: a process, a port, a log. */
export class CliHost implements AsyncDisposable {
  readonly child: ChildProcess
  /** All that was logged so far. */
  readonly lines: LogLine[] = []
  /** All that was written to standard error so far. */
  stderr = ''
  readonly exited: Promise<Pick<CliResult, 'code' | 'signal'>>
  readonly #changed = new Set<() => void>()
  #hasEnded = false

  constructor(child: ChildProcess) {
    this.child = child
    this.exited = once(child, 'close').then(([code, signal]) => ({ code, signal }))
    void this.exited.then(() => {
      this.#hasEnded = true
      this.#notify()
    })
    child.stderr?.on('data', chunk => {
      this.stderr += chunk
    })
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', line => {
      this.lines.push(JSON.parse(line))
      this.#notify()
    })
  }

  /** The port it really listens on. */
  get port(): number {
    return this.lines.find(({ msg }) => msg.startsWith('listening'))?.['port'] as number
  }

  /** The first `count` lines that match, as soon as there are so many. */
  async someLines(count: number, matches: (line: LogLine) => boolean): Promise<LogLine[]> {
    for (;;) {
      const found = this.lines.filter(matches)
      if (found.length >= count) return found.slice(0, count)
      if (this.#hasEnded) {
        throw new Error(`The host ended; it said ${this.stderr}${JSON.stringify(this.lines)}`)
      }
      await new Promise<void>(resolve => this.#changed.add(resolve))
    }
  }

  /** The first line that matches, past or to come. */
  async line(matches: (line: LogLine) => boolean): Promise<LogLine> {
    const [line] = await this.someLines(1, matches)
    return line as LogLine
  }

  /** Lines of one function with this message. */
  linesOf(functionId: string, msg: string): LogLine[] {
    return this.lines.filter(line => line.functionId === functionId && line.msg === msg)
  }

  fetch(path: string, init?: RequestInit): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.port}${path}`, init)
  }

  /** Body of a GET that must succeed. */
  async get(path: string): Promise<string> {
    const response = await this.fetch(path)
    const body = await response.text()
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${body}`)
    return body
  }

  /** State of each function, by its id. */
  async states(): Promise<Record<string, string>> {
    const response = await this.fetch('/_metrics', { headers: { accept: 'application/json' } })
    const { functions } = (await response.json()) as {
      functions: { name: string; state: string }[]
    }
    return Object.fromEntries(functions.map(({ name, state }) => [name, state]))
  }

  /** Ends it as an operator would. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Pick<CliResult, 'code' | 'signal'>> {
    this.child.kill(signal)
    return this.exited
  }

  [Symbol.asyncDispose](): Promise<void> {
    return end(this.child)
  }

  #notify(): void {
    for (const resolve of this.#changed) resolve()
    this.#changed.clear()
  }
}

async function start(args: readonly string[], options: CliOptions): Promise<ChildProcess> {
  const { env = {}, cwd, command = [process.execPath, CLI] } = options
  const [program, ...first] = command
  const child = spawn(program, [...first, ...args], {
    ...(cwd !== undefined && { cwd }),
    env: {
      ...plainEnvironment(),
      FEZZ_HOST: '127.0.0.1',
      FEZZ_PORT: '0',
      FEZZ_CACHE_DIR: env['FEZZ_CACHE_DIR'] ?? (await temporaryFolder()),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own: npx, unlike the host itself, does not end what it has started.
    detached: command[0] !== process.execPath,
  })
  children.add(child)
  child.once('close', () => children.delete(child))
  return child
}

async function end(child: ChildProcess): Promise<void> {
  if (!children.has(child)) return
  const closed = once(child, 'close')
  if (child.spawnfile === process.execPath) child.kill('SIGKILL')
  else process.kill(-(child.pid as number), 'SIGKILL')
  await closed
}
