import type { Clock } from './clock.ts'

/** Bounds of a wait that grows, in milliseconds. */
export interface BackoffLimits {
  readonly firstMs: number
  readonly maxMs: number
}

/**
 * How long to wait before attempt `failures + 1`: doubles from `firstMs` up to `maxMs`, and is then
 * shortened by up to a half, so that many who failed together do not come back together.
 */
export function backoffMs(
  failures: number,
  { firstMs, maxMs }: BackoffLimits,
  random: () => number,
): number {
  return Math.min(firstMs * 2 ** failures, maxMs) * (0.5 + random() / 2)
}

/**
 * When something that keeps failing may be tried again. What was up for longer than the longest wait
 * before it failed begins anew.
 */
export class Retries {
  readonly #limits: BackoffLimits
  readonly #random: () => number
  #failures = 0
  #dueMs = Number.NEGATIVE_INFINITY

  /** @param random in [0, 1) */
  constructor(limits: BackoffLimits, random: () => number) {
    this.#limits = limits
    this.#random = random
  }

  /** Before this, on the clock that {@link failed} is told, there should be no attempt. */
  get dueMs(): number {
    return this.#dueMs
  }

  /**
   * Counts a failure to begin, or with `upMs` the end of something that had begun; after the first
   * such end there need be no wait.
   *
   * @returns milliseconds until the next attempt
   */
  failed(nowMs: number, upMs?: number): number {
    if (upMs !== undefined && upMs >= this.#limits.maxMs) this.#failures = 0
    const isAtOnce = upMs !== undefined && this.#failures === 0
    const waitMs = isAtOnce ? 0 : backoffMs(this.#failures, this.#limits, this.#random)
    this.#failures++
    this.#dueMs = nowMs + waitMs
    return waitMs
  }

  /** Forgets all failures; what is due stays due. */
  forgive(): void {
    this.#failures = 0
  }
}

/** Resolves after `delayMs`, or as soon as `signal` aborts; never rejects. */
export function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted || delayMs <= 0) return Promise.resolve()
  return new Promise(resolve => {
    const end = () => {
      timer.cancel()
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = clock.setTimer(end, delayMs)
    signal.addEventListener('abort', end)
  })
}

/** What `promise` becomes, unless `signal` aborts first. @throws the signal's reason */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort)
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
