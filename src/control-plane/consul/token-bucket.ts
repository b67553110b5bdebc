import type { Clock } from '../../clock.ts'

export interface Rate {
  /** At once, after a quiet time. */
  readonly burst: number
  /** In the long run. */
  readonly perSecond: number
}

/** Lets a few through at once, and then no more than so many a second. */
export class TokenBucket {
  readonly #clock: Clock
  readonly #rate: Rate
  #tokens: number
  #filledAtMs: number

  constructor(rate: Rate, clock: Clock) {
    this.#rate = rate
    this.#clock = clock
    this.#tokens = rate.burst
    this.#filledAtMs = clock.now()
  }

  /** Takes a token, one that is still to come if need be. @returns how long until it is there */
  takeMs(): number {
    const { burst, perSecond } = this.#rate
    const nowMs = this.#clock.now()
    const earned = ((nowMs - this.#filledAtMs) / 1_000) * perSecond
    this.#tokens = Math.min(burst, this.#tokens + earned) - 1
    this.#filledAtMs = nowMs
    return this.#tokens >= 0 ? 0 : (-this.#tokens / perSecond) * 1_000
  }
}
