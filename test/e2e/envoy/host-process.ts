import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

/** One line of the host's log. */
export interface LogLine {
  readonly msg: string
  readonly [field: string]: unknown
}

const START_MS = 30_000

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** `fezz serve --store ...` on a port of its own, that may be ended and started again. */
export class HostProcess implements AsyncDisposable {
  readonly id: string
  readonly port: number
  /** All that was logged so far, over all starts. */
  readonly lines: LogLine[] = []
  readonly #cli: string
  readonly #env: Readonly<Record<string, string>>
  #child: ChildProcess | undefined

  constructor(
    id: string,
    port: number,
    options: { readonly cli: string; readonly env: Readonly<Record<string, string>> },
  ) {
    this.id = id
    this.port = port
    this.#cli = options.cli
    this.#env = options.env
  }

  /** Starts it; resolves when its functions are in force. @returns when that was (performance.now) */
  async start(): Promise<number> {
    const first = this.lines.length
    const child = this.spawn()
    const until = performance.now() + START_MS
    while (!this.lines.slice(first).some(({ msg }) => msg === 'ready')) {
      if (child.exitCode !== null || performance.now() > until) {
        throw new Error(`${this.id} is not ready: ${JSON.stringify(this.lines.slice(-5))}`)
      }
      await sleep(2)
    }
    return performance.now()
  }

  /** Starts it without waiting. */
  spawn(): ChildProcess {
    const child = spawn(process.execPath, [this.#cli, 'serve'], {
      env: {
        ...environmentOfOthers(),
        FEZZ_HOST: '127.0.0.1',
        FEZZ_PORT: String(this.port),
        FEZZ_NODE_ID: this.id,
        FEZZ_LOG_FORMAT: 'json',
        ...this.#env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    running.add(child)
    child.once('exit', () => running.delete(child))
    for (const stream of [child.stdout!, child.stderr!]) {
      createInterface({ input: stream }).on('line', text => {
        this.lines.push(text.startsWith('{') ? JSON.parse(text) : { msg: text })
      })
    }
    this.#child = child
    return child
  }

  /** Ends it and waits for that: SIGTERM as an operator would, SIGKILL as a crash would. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill(signal)
    await gone
  }

  /** What it says of itself. */
  async status(): Promise<HostStatus> {
    const headers = { accept: 'application/json' }
    const answer = await fetch(`http://127.0.0.1:${this.port}/_metrics`, { headers })
    return (await answer.json()) as HostStatus
  }

  /** The sum of one of its metrics over all labels. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.port}/_metrics`)).text()
    const lines = text.split('\n').filter(line => line.startsWith(`${name}{`))
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop('SIGKILL')
  }
}

/** The part of a host's status that is of interest here. */
export interface HostStatus {
  readonly controlPlane: {
    readonly revision: string
    readonly membership: { readonly state: string }
  }
  readonly xds?: { readonly clients: readonly unknown[]; readonly lastNack?: unknown }
}

/** The machine's environment without what is meant for Fezz or for this test run. */
export function environmentOfOthers(): NodeJS.ProcessEnv {
  const others = Object.entries(process.env).filter(
    ([name]) => !/^(?:FEZZ_|VITEST|NODE_OPTIONS)/.test(name),
  )
  return Object.fromEntries(others)
}
