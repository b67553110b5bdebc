/**
 * Time as the host sees it. Everything that waits takes a clock, so that tests drive time by hand.
 */
export interface Clock {
  /** Milliseconds on a clock that never goes back; only differences mean anything. */
  now(): number
  /**
   * Runs `callback` once after `delayMs`, soon where that is less than nothing; never keeps the
   * process alive by itself.
   */
  setTimer(callback: () => void, delayMs: number): Timer
}

/** A pending timer. */
export interface Timer {
  /** Cancels it; harmless when it has fired. */
  cancel(): void
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  setTimer(callback, delayMs) {
    // What is due already is usual here, and Node prints a warning of less than no delay.
    const handle = setTimeout(callback, Math.max(0, delayMs))
    handle.unref()
    return { cancel: () => clearTimeout(handle) }
  },
}
