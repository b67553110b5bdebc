import type { Clock, Timer } from '../../src/clock.ts'

interface PendingTimer {
  readonly dueMs: number
  readonly callback: () => void
}

/** Lets everything run that waits for nothing but its turn: microtasks, and what they queue. */
export function settled(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

/** Time that passes only when a test says so. */
export class FakeClock implements Clock {
  #nowMs: number
  readonly #timers = new Set<PendingTimer>()

  constructor(startMs = 1_000_000) {
    this.#nowMs = startMs
  }

  now(): number {
    return this.#nowMs
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    const timer: PendingTimer = { dueMs: this.#nowMs + Math.max(0, delayMs), callback }
    this.#timers.add(timer)
    return { cancel: () => void this.#timers.delete(timer) }
  }

  /** Timers that would still fire. */
  get pending(): number {
    return this.#timers.size
  }

  /** Milliseconds until the next timer fires. */
  get nextInMs(): number | undefined {
    const next = this.#next(Number.POSITIVE_INFINITY)
    return next && next.dueMs - this.#nowMs
  }

  /**
   * Lets `durationMs` pass. Timers fire in the order they are due, those of one moment in the order
   * they were set; after each, everything that it has set off runs before time goes on.
   */
  async advance(durationMs: number): Promise<void> {
    const untilMs = this.#nowMs + durationMs
    await settled()
    for (let timer = this.#next(untilMs); timer !== undefined; timer = this.#next(untilMs)) {
      this.#fire(timer)
      await settled()
    }
    this.#nowMs = untilMs
  }

  /** As a busy event loop does it: the time is over before any timer fires. */
  async stall(durationMs: number): Promise<void> {
    this.#nowMs += durationMs
    await this.advance(0)
  }

  #fire(timer: PendingTimer): void {
    this.#timers.delete(timer)
    this.#nowMs = Math.max(this.#nowMs, timer.dueMs)
    timer.callback()
  }

  /** A set keeps the order of insertion, so the first of the earliest is the right one. */
  #next(untilMs: number): PendingTimer | undefined {
    let next: PendingTimer | undefined
    for (const timer of this.#timers) {
      if (timer.dueMs <= untilMs && (next === undefined || timer.dueMs < next.dueMs)) next = timer
    }
    return next
  }
}
