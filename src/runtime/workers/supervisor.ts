import cluster from 'node:cluster'
import { isatty } from 'node:tty'
import { backoffMs, pause } from '../../backoff.ts'
import { systemClock } from '../../clock.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { renderFamilies } from '../../telemetry/prometheus.ts'
import type { HostConfig } from '../config.ts'
import { onSignals } from '../signals.ts'
import { stuckLine } from './stuck-line.ts'
import { type WorkerExit, WorkerProcess } from './worker-process.ts'
import { WorkerTotals } from './worker-totals.ts'

export type SupervisorConfig = Pick<
  HostConfig,
  'workers' | 'drainDelayMs' | 'drainTimeoutMs' | 'unloadTimeoutMs'
>

const BACKOFF = { firstMs: 100, maxMs: 30_000 }
/** A worker that has lived as long was not at fault when it started. */
const STABLE_MS = 10_000
/** How much longer than its own limits a worker may take to end, its executors included. */
const GRACE_MS = 25_000

/**
 * Runs this very program several times, as workers that serve one port together (node:cluster, the
 * socket shared), and keeps their number.
 *
 * SIGTERM and SIGINT drain all, a second one ends them at once; SIGHUP replaces them one after the
 * other.
 */
export class Supervisor implements AsyncDisposable {
  readonly #config: SupervisorConfig
  readonly #log: Logger
  readonly #totals = new WorkerTotals()
  readonly #workers = new Set<WorkerProcess>()
  readonly #leaving = new AbortController()
  /** Resolves when the first worker serves. */
  readonly #up = Promise.withResolvers<void>()
  #isUp = false
  /** Deaths in a row of workers that had hardly begun. */
  #failures = 0
  #rolling: Promise<void> | undefined
  #rollsAgain = false
  #draining: Promise<void> | undefined

  constructor(config: SupervisorConfig, log: Logger) {
    this.#config = config
    this.#log = log
    // Round robin costs a message between processes for each connection; see docs/decisions/0017.
    cluster.schedulingPolicy = cluster.SCHED_NONE
    cluster.setupPrimary({ stdio: ['ignore', 'inherit', 'inherit', 'ipc', 'pipe'] })
  }

  /**
   * Serves until a signal ends it.
   *
   * @throws FezzError what the first worker says why it cannot start
   */
  async run(): Promise<void> {
    using _signals = onSignals(this.#log, () => this.drain())
    using _hangup = this.#onHangup()
    using _orphans = this.#leaveNoOrphans()
    // While all of them wait to be started again, nothing else would keep the process alive.
    const alive = setInterval(() => {}, 60_000)
    try {
      await this.#start()
      if (!this.#leaving.signal.aborted) {
        await new Promise(resolve => this.#leaving.signal.addEventListener('abort', resolve))
      }
      await this.drain()
    } finally {
      clearInterval(alive)
    }
  }

  /**
   * Replaces the workers one after the other: one drains when the next serves. If that cannot start,
   * the old ones stay. Joined when called again; a call meanwhile begins another round after this one.
   */
  roll(): Promise<void> {
    if (this.#rolling !== undefined) this.#rollsAgain = true
    this.#rolling ??= this.#rollAll().finally(() => {
      this.#rolling = undefined
    })
    return this.#rolling
  }

  /** Ends all of them gracefully. Idempotent. */
  drain(): Promise<void> {
    this.#draining ??= this.#drain()
    return this.#draining
  }

  /** Ends all of them at once. Idempotent. */
  async close(): Promise<void> {
    this.#leaving.abort()
    const exits = Array.from(this.#workers, worker => worker.exited)
    for (const worker of this.#workers) worker.kill()
    await Promise.all(exits)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** The first one alone: what it builds the others find built, and what is wrong is said once. */
  async #start(): Promise<void> {
    while (!this.#leaving.signal.aborted) {
      const first = this.#fork()
      if (await first.started) {
        this.#isUp = true
        this.#fill()
        this.#up.resolve()
        return
      }
      const { failure } = await first.exited
      if (failure !== undefined) throw failure
      await this.#backOff()
    }
  }

  async #rollAll(): Promise<void> {
    await this.#up.promise
    do {
      this.#rollsAgain = false
      // Also those that still start: they may have read what was there before.
      const old = Array.from(this.#workers).filter(({ state }) => state !== 'leaving')
      this.#log.info({ workers: old.map(({ number }) => number) }, 'replacing the workers')
      for (const worker of old) {
        // One that has died meanwhile has its replacement.
        if (worker.state === 'ended') continue
        const next = this.#fork()
        const isServing = await next.started
        if (this.#leaving.signal.aborted) return
        if (!isServing) {
          this.#log.error('a new worker does not start; the old ones stay')
          return
        }
        await this.#drainOne(worker, true)
        this.#fill()
      }
      if (this.#leaving.signal.aborted) return
    } while (this.#rollsAgain)
    this.#log.info('the workers are replaced')
  }

  async #drain(): Promise<void> {
    this.#leaving.abort()
    await Promise.all(Array.from(this.#workers, worker => this.#drainOne(worker, false)))
  }

  /** Lets a worker finish what it has; one that takes longer than it may is ended. */
  async #drainOne(worker: WorkerProcess, isReplaced: boolean): Promise<void> {
    const { drainDelayMs, drainTimeoutMs, unloadTimeoutMs } = this.#config
    const limitMs = drainDelayMs + drainTimeoutMs + unloadTimeoutMs + GRACE_MS
    worker.drain(isReplaced)
    const timer = setTimeout(() => worker.kill(), limitMs)
    await worker.exited
    clearTimeout(timer)
  }

  /** Starts as many as are missing. */
  #fill(): void {
    if (this.#leaving.signal.aborted) return
    const staying = Array.from(this.#workers).filter(({ state }) => state !== 'leaving')
    for (let missing = this.#config.workers - staying.length; missing > 0; missing--) this.#fork()
  }

  #fork(): WorkerProcess {
    const worker = new WorkerProcess(cluster.fork(), (id, form) => {
      this.#answer(worker, id, form).catch(err => {
        this.#log.error({ err }, 'what the workers have counted could not be added up')
      })
    })
    this.#workers.add(worker)
    void worker.exited.then(exit => this.#onExit(worker, exit))
    return worker
  }

  async #onExit(worker: WorkerProcess, exit: WorkerExit): Promise<void> {
    this.#workers.delete(worker)
    this.#totals.keep(worker)
    const isExpected = exit.wasAsked || this.#leaving.signal.aborted
    // Also of one that was told to go: what it was stuck in is still to be mended.
    if (!isExpected || exit.stuck !== undefined) this.#tell(worker, exit)
    if (isExpected) return
    this.#failures = performance.now() - worker.startedAtMs < STABLE_MS ? this.#failures + 1 : 0
    if (!this.#isUp) return
    this.#totals.recordRestart(exit.stuck === undefined ? 'exited' : 'stuck')
    await this.#backOff()
    this.#fill()
  }

  #tell({ number, pid }: WorkerProcess, { code, signal, stuck, failure }: WorkerExit): void {
    const fields = { worker: number, pid }
    if (stuck !== undefined) {
      const { message, ...found } = stuckLine(stuck)
      this.#log.error({ ...fields, ...found }, `worker ${number} ${message}`)
    } else if (failure === undefined) {
      this.#log.error({ ...fields, code, signal }, `worker ${number} has ended`)
    } else if (this.#isUp) {
      this.#log.error({ ...fields, code: failure.code }, failure.message)
    }
  }

  #backOff(): Promise<void> {
    const delayMs = backoffMs(Math.max(0, this.#failures - 1), BACKOFF, Math.random)
    return pause(systemClock, delayMs, this.#leaving.signal)
  }

  async #answer(worker: WorkerProcess, id: number, form: 'exposition' | 'status'): Promise<void> {
    if (form === 'status') {
      worker.send({ kind: 'status', id, status: await this.#totals.status(this.#workers) })
      return
    }
    const families = await this.#totals.families(this.#workers)
    const { contentType, body } = await renderFamilies(families)
    for (const part of body) worker.send({ kind: 'text', id, text: part.toString() })
    worker.send({ kind: 'exposition', id, contentType })
  }

  #onHangup(): Disposable {
    const hadTerminal = isatty(0)
    const onHangup = () => {
      // A terminal that was closed sends it too, and is one no longer.
      if (hadTerminal && !isatty(0)) void this.drain()
      else if (!this.#leaving.signal.aborted) void this.roll()
    }
    process.on('SIGHUP', onHangup)
    return { [Symbol.dispose]: () => void process.off('SIGHUP', onHangup) }
  }

  /** Also when the process is ended from within, as by a second signal. */
  #leaveNoOrphans(): Disposable {
    const kill = () => {
      for (const worker of this.#workers) worker.kill()
    }
    process.on('exit', kill)
    return { [Symbol.dispose]: () => void process.off('exit', kill) }
  }
}
