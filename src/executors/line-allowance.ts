import { type Clock, systemClock, type Timer } from '../clock.ts'

/** How many lines may be logged. */
export interface LineRate {
  /** Lines in the long run. */
  readonly linesPerSecond: number
  /** Lines at once after a silence. */
  readonly burstLines: number
}

/** Of what a function prints. */
export const OUTPUT_RATE: LineRate = { linesPerSecond: 100, burstLines: 1_000 }
/** Logged with the number of them. */
export const PRINTS_TOO_MUCH = 'the function prints too much: lines were dropped'

/** Of what it logs by its context, which says more with each line. */
export const LOG_RATE: LineRate = { linesPerSecond: 1_000, burstLines: 2_000 }
/** Logged with the number of them. */
export const LOGS_TOO_MUCH = 'the function logs too much: lines were dropped'

export interface LineAllowanceOptions extends LineRate {
  /** Told how many lines were dropped, once a second while there are any. */
  readonly report: (dropped: number) => void
  /** Default: the machine's. */
  readonly clock?: Clock
}

const REPORT_MS = 1_000
/** A longer line counts as several: the rate also bounds how fast a log grows. */
const LINE_CHARS = 8_192

/** Says which lines of a function may still be logged, and counts the others. */
export class LineAllowance {
  readonly #options: LineAllowanceOptions
  readonly #clock: Clock
  /** Lines that may be logged now. */
  #lines: number
  #refilledMs: number
  #dropped = 0
  #timer: Timer | undefined

  constructor(options: LineAllowanceOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#lines = options.burstLines
    this.#refilledMs = this.#clock.now()
  }

  /**
   * Whether one more line may be logged; if not, it counts as dropped. A long one is let through
   * whole, and those after it have to wait for longer.
   *
   * @param chars its length, where that may be more than a few KiB
   */
  take(chars = 0): boolean {
    const { linesPerSecond, burstLines } = this.#options
    const nowMs = this.#clock.now()
    const refill = ((nowMs - this.#refilledMs) / 1_000) * linesPerSecond
    this.#refilledMs = nowMs
    this.#lines = Math.min(burstLines, this.#lines + refill)
    if (this.#lines >= 1) {
      this.#lines -= Math.max(1, Math.ceil(chars / LINE_CHARS))
      return true
    }
    this.drop(1)
    return false
  }

  /** Counts `lines` as dropped that need not be asked for one by one. */
  drop(lines: number): void {
    if (lines === 0) return
    this.#dropped += lines
    this.#timer ??= this.#clock.setTimer(() => this.#report(), REPORT_MS)
  }

  /** Reports what was dropped since the last report. Idempotent. */
  close(): void {
    this.#timer?.cancel()
    this.#report()
  }

  #report(): void {
    this.#timer = undefined
    const dropped = this.#dropped
    this.#dropped = 0
    if (dropped > 0) this.#options.report(dropped)
  }
}
