import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePorts } from './ports.ts'
import { onPath } from './run.ts'

/** How to start one service. */
export interface Command {
  readonly program: string
  readonly args: readonly string[]
}

const START_MS = 30_000
const STOP_MS = 10_000
const OUTPUT_CHARS = 1 << 20
const ATTEMPTS = 5

/** For an end of this process that disposes of nothing. */
const running = new Set<BackgroundService>()
process.once('exit', abandonAll)
// A worker of a test run that is killed goes on for a while with the test that it is at.
if (process.connected) process.once('disconnect', abandonAll)

function abandonAll(): void {
  for (const service of running) service.abandon()
}

/**
 * A server of somebody else's that runs beside a test: on ports of its own, with its data in a
 * folder of its own, both kept when it is killed and started again. Gone when disposed of, and also
 * when this process dies in whatever way.
 */
export abstract class BackgroundService implements AsyncDisposable {
  /** What it is called in messages. */
  abstract readonly name: string
  #folder = ''
  #ports: readonly number[] = []
  #child: ChildProcess | undefined
  #output = ''

  /** Where it is spoken to: `http://127.0.0.1:PORT`. */
  abstract readonly endpoint: string
  /** How many ports it needs. */
  protected abstract readonly portCount: number
  /** The command that starts it in {@link folder}, on {@link ports}. */
  protected abstract command(): Command | Promise<Command>
  /** Whether it can be used now; a rejection counts as no. */
  protected abstract isReady(): Promise<boolean>
  /** Called once, when it is ready for the first time. */
  protected prepare(): Promise<void> {
    return Promise.resolve()
  }

  /** Its data and settings. */
  get folder(): string {
    return this.#folder
  }

  /** Its ports on 127.0.0.1. */
  get ports(): readonly number[] {
    return this.#ports
  }

  /** Its main port. */
  get port(): number {
    return this.#ports[0] as number
  }

  /** @throws when it does not run */
  get pid(): number {
    if (!this.isRunning || this.#child?.pid === undefined) throw new Error(`${this.name} is down`)
    return this.#child.pid
  }

  get isRunning(): boolean {
    const child = this.#child
    return child?.pid !== undefined && child.exitCode === null && child.signalCode === null
  }

  /** What it has written so far, over all its starts: the last megabyte of it. */
  get output(): string {
    return this.#output
  }

  /** Starts it for the first time. @throws with what it wrote when it does not become ready */
  async start(): Promise<this> {
    running.add(this)
    try {
      await this.#startSomewhere()
      await this.prepare()
      return this
    } catch (error) {
      await this[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Ends it at once, as a crash would (SIGKILL). */
  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || !this.isRunning) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  /** Ends it in an orderly way, and after 10 s at once. Its data is kept for {@link restart}. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child
    if (child === undefined || !this.isRunning) return
    const gone = once(child, 'exit')
    child.kill(signal)
    // One that is paused would not hear it.
    child.kill('SIGCONT')
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
    await gone
    clearTimeout(timer)
  }

  /** Stops it if it runs, and starts it on the same ports with the same data. */
  async restart(): Promise<void> {
    await this.stop()
    running.add(this)
    await this.#launch()
  }

  /** Freezes it (SIGSTOP): its connections stay open, and nothing is answered. */
  pause(): void {
    process.kill(this.pid, 'SIGSTOP')
  }

  /** Lets it go on after {@link pause}. */
  resume(): void {
    process.kill(this.pid, 'SIGCONT')
  }

  /** Lets this process end while the service still runs; the service ends with it. */
  unref(): void {
    const { stdout, stderr } = this.#child ?? {}
    this.#child?.unref()
    for (const pipe of [stdout, stderr]) (pipe as Socket | undefined)?.unref()
  }

  /** The last resort at the end of this process, where nothing can be waited for. */
  abandon(): void {
    this.#child?.kill('SIGKILL')
    if (this.#folder !== '') rmSync(this.#folder, { recursive: true, force: true })
  }

  /** Ends it and removes its data. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    if (this.#folder !== '') await rm(this.#folder, { recursive: true, force: true })
    running.delete(this)
  }

  async #startSomewhere(): Promise<void> {
    this.#folder = await mkdtemp(join(tmpdir(), `fezz-${this.name}-${process.pid}-`))
    for (let attempt = 1; ; attempt++) {
      this.#ports = await freePorts(this.portCount)
      try {
        return await this.#launch()
      } catch (error) {
        // Somebody may have taken a port since it was found free.
        if (attempt === ATTEMPTS || !/address already in use/i.test(this.#output)) throw error
        this.#output = ''
      }
    }
  }

  async #launch(): Promise<void> {
    const { program, args } = await this.command()
    const [file, ...rest] = [...(await tied()), program, ...args] as [string, ...string[]]
    const child = spawn(file, rest, {
      cwd: this.#folder,
      // A group of its own: Ctrl-C is for us, who then stop it.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    const keep = (chunk: Buffer) => {
      this.#output = (this.#output + chunk).slice(-OUTPUT_CHARS)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    await once(child, 'spawn')
    try {
      await this.#becomeReady()
    } catch (error) {
      await this.kill()
      throw error
    }
  }

  async #becomeReady(): Promise<void> {
    const deadline = performance.now() + START_MS
    for (let pauseMs = 5; performance.now() < deadline; pauseMs = Math.min(pauseMs * 1.5, 200)) {
      if (!this.isRunning) throw new Error(`${this.name} ended at its start: ${this.#output}`)
      // One that accepts and never answers must not hold up the deadline.
      const late = sleep(2_000, false, { ref: false })
      if (await Promise.race([this.isReady().catch(() => false), late])) return
      await sleep(pauseMs)
    }
    throw new Error(`${this.name} is not ready after ${START_MS} ms: ${this.#output}`)
  }
}

/** What has the system kill the service when this process dies, where that can be had (Linux). */
async function tied(): Promise<readonly string[]> {
  const program = process.platform === 'linux' ? await onPath('setpriv') : undefined
  return program === undefined ? [] : [program, '--pdeathsig', 'KILL', '--']
}
