import type { Worker } from 'node:cluster'
import type { Readable } from 'node:stream'
import { FezzError } from '../../errors.ts'
import type { FamilySnapshot } from '../../telemetry/totals.ts'
import type { HostStatus } from '../system-endpoints.ts'
import {
  REPORT_FD,
  type StuckReport,
  type SupervisorMessage,
  type WorkerMessage,
} from './protocol.ts'

/** What a worker has told of itself, at one moment. */
export interface WorkerReport {
  readonly families: readonly FamilySnapshot[]
  readonly status: HostStatus
}

/** How a worker ended. */
export interface WorkerExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** Whether the supervisor had wanted it to. */
  readonly wasAsked: boolean
  /** What its watchdog has found, if that has ended it. */
  readonly stuck: StuckReport | undefined
  /** Why it could not start, if it could say. */
  readonly failure: FezzError | undefined
}

export type WorkerState = 'starting' | 'ready' | 'leaving' | 'ended'

/** The supervisor's view of one worker. */
export class WorkerProcess {
  readonly number: number
  readonly pid: number
  readonly startedAtMs = performance.now()
  /** Resolves when it serves, with true, or has ended before, with false. */
  readonly started: Promise<boolean>
  /** Resolves when it has ended and all that it had to say is known. */
  readonly exited: Promise<WorkerExit>
  readonly #worker: Worker
  readonly #started = Promise.withResolvers<boolean>()
  readonly #waiting = new Set<(report: WorkerReport | undefined) => void>()
  #state: WorkerState = 'starting'
  #families: FamilySnapshot[] = []
  #lastReport: WorkerReport | undefined
  #failure: FezzError | undefined

  /** @param onAsk what the worker wants to know of all */
  constructor(worker: Worker, onAsk: (id: number, form: 'exposition' | 'status') => void) {
    this.#worker = worker
    this.number = worker.id
    this.pid = worker.process.pid as number
    this.started = this.#started.promise
    let report = ''
    // One that could not be started has none, as when there are too many open files.
    const channel = worker.process.stdio?.[REPORT_FD] as Readable | null | undefined
    channel?.setEncoding('utf8').on('data', text => {
      report += text
    })
    // A process that is killed may reset it.
    channel?.on('error', () => {})
    worker.on('message', (message: WorkerMessage) => {
      if (message.kind === 'ask') onAsk(message.id, message.form)
      else this.#onMessage(message)
    })
    this.exited = new Promise(resolve => {
      const end = (code: number | null, signal: NodeJS.Signals | null) => {
        const wasAsked = this.#state === 'leaving'
        this.#state = 'ended'
        this.#started.resolve(false)
        this.#settle(undefined)
        resolve({ code, signal, wasAsked, stuck: parsed(report), failure: this.#failure })
      }
      worker.process.once('close', end)
      worker.on('error', cause => {
        if (worker.process.pid !== undefined) return
        // One that could not be started at all does not close.
        const message = `worker ${this.number} cannot be started: ${cause.message}`
        this.#failure = new FezzError('INTERNAL', message, { cause })
        end(null, null)
      })
    })
  }

  get state(): WorkerState {
    return this.#state
  }

  /** What it told last; `undefined` when it never has. */
  get lastReport(): WorkerReport | undefined {
    return this.#lastReport
  }

  /** What it has counted; `undefined` when it does not say so in time. */
  report(timeoutMs: number): Promise<WorkerReport | undefined> {
    if (this.#state === 'starting' || !this.#worker.isConnected()) return Promise.resolve(undefined)
    const { promise, resolve } = Promise.withResolvers<WorkerReport | undefined>()
    const timer = setTimeout(resolve, timeoutMs, undefined)
    this.#waiting.add(resolve)
    this.send({ kind: 'report' })
    return promise.finally(() => {
      clearTimeout(timer)
      this.#waiting.delete(resolve)
    })
  }

  /** Lets it finish what it has; one that does not serve yet just ends. */
  drain(isReplaced: boolean): void {
    if (this.#state === 'starting') this.#worker.process.kill('SIGTERM')
    else if (this.#state === 'ready') this.send({ kind: 'drain', isReplaced })
    else return
    this.#state = 'leaving'
  }

  /** Ends it now. */
  kill(): void {
    if (this.#state === 'ended') return
    this.#state = 'leaving'
    this.#worker.process.kill('SIGKILL')
  }

  send(message: SupervisorMessage): void {
    // It may be gone by the time that this arrives; its exit tells.
    if (this.#worker.isConnected()) this.#worker.process.send?.(message, undefined, {}, () => {})
  }

  #onMessage(message: Exclude<WorkerMessage, { kind: 'ask' }>): void {
    switch (message.kind) {
      case 'ready':
        if (this.#state === 'starting') this.#state = 'ready'
        this.#started.resolve(true)
        break
      case 'failed':
        this.#failure = new FezzError(message.code, message.message)
        break
      case 'families':
        this.#families.push(...message.families)
        break
      case 'reported':
        this.#lastReport = { families: this.#families, status: message.status }
        this.#families = []
        this.#settle(this.#lastReport)
        break
    }
  }

  #settle(report: WorkerReport | undefined): void {
    for (const resolve of this.#waiting) resolve(report)
    this.#waiting.clear()
  }
}

function parsed(report: string): StuckReport | undefined {
  try {
    const found = JSON.parse(report) as Partial<StuckReport> | null
    const { stuckMs, stack, functions } = found ?? {}
    const isReport =
      typeof stuckMs === 'number' && typeof stack === 'string' && Array.isArray(functions)
    return isReport ? { stuckMs, stack, functions } : undefined
  } catch {
    // Nothing was written, or not all of it, or by the function that was stuck.
    return undefined
  }
}
