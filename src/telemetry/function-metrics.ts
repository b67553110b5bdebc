import type { FezzErrorCode } from '../errors.ts'
import { Histogram } from './histogram.ts'

/** Classes of the HTTP status, in the order of their first digit from 2 on. */
export const STATUS_CLASSES = ['2xx', '3xx', '4xx', '5xx'] as const

/** Why an instance was unloaded; the last three: it has died, and so. */
export const UNLOAD_REASONS = [
  'idle',
  'evicted',
  'replaced',
  'removed',
  'shutdown',
  'crash',
  'out-of-memory',
  'killed',
] as const
export type UnloadReason = (typeof UNLOAD_REASONS)[number]

/** Bucket bounds of request durations, in seconds: 0.5 ms to 30 s, the default timeout. */
const REQUEST_BOUNDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
]
/** Bucket bounds of load durations, in seconds. */
const LOAD_BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 5, 30]

/**
 * What is counted of one function. Made once per function and kept while it is unloaded, so that
 * no counter ever goes back. The recorders are plain writes; all wording happens at the scrape.
 */
export class FunctionMetrics {
  /** The labels of every series of this function; one object, so that it is worded once. */
  readonly labels: Readonly<Record<'function', string>>
  /** Requests being answered now; the owner of the requests counts it up and down. */
  inFlight = 0
  readonly requestDuration = new Histogram(REQUEST_BOUNDS)
  /** Durations of loads that succeeded. */
  readonly loadDuration = new Histogram(LOAD_BOUNDS)
  readonly #statusClasses = new Float64Array(STATUS_CLASSES.length)
  #loadFailures = 0
  readonly #unloads = new Map<UnloadReason, number>()
  readonly #errors = new Map<FezzErrorCode, number>()

  constructor(functionId: string) {
    this.labels = { function: functionId }
  }

  /**
   * Counts one answered request. A Response's status is 200 to 599 (Fetch standard); anything else
   * counts in the duration alone.
   */
  recordRequest(status: number, durationMs: number): void {
    this.#statusClasses[((status / 100) | 0) - 2]! += 1
    this.requestDuration.record(durationMs)
  }

  /** Counts a load that made an instance ready. */
  recordLoad(durationMs: number): void {
    this.loadDuration.record(durationMs)
  }

  recordLoadFailure(): void {
    this.#loadFailures += 1
  }

  recordUnload(reason: UnloadReason): void {
    this.#unloads.set(reason, (this.#unloads.get(reason) ?? 0) + 1)
  }

  /** Counts an error by its code; a client that left is `CLIENT_CLOSED`. */
  recordError(code: FezzErrorCode): void {
    this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1)
  }

  get loads(): number {
    return this.loadDuration.count
  }

  get loadFailures(): number {
    return this.#loadFailures
  }

  /** Requests answered with a status of this class. */
  requests(statusClass: (typeof STATUS_CLASSES)[number]): number {
    return this.#statusClasses[STATUS_CLASSES.indexOf(statusClass)]!
  }

  unloads(reason: UnloadReason): number {
    return this.#unloads.get(reason) ?? 0
  }

  /** Errors so far, each code that has occurred. */
  get errors(): ReadonlyMap<FezzErrorCode, number> {
    return this.#errors
  }
}
