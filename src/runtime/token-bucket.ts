/**
 * A rate of so many per second, as a bucket that holds one second's worth, at least one, and is
 * refilled as time goes. It starts full.
 */
export class TokenBucket {
  readonly #perMs: number
  readonly #capacity: number
  #tokens: number
  #refilledMs: number

  constructor(perSecond: number, nowMs: number) {
    this.#perMs = perSecond / 1_000
    this.#capacity = Math.max(1, perSecond)
    this.#tokens = this.#capacity
    this.#refilledMs = nowMs
  }

  /** Takes a token if there is one. Otherwise milliseconds until there will be; 0: taken. */
  take(nowMs: number): number {
    const grown = this.#tokens + (nowMs - this.#refilledMs) * this.#perMs
    this.#tokens = Math.min(this.#capacity, grown)
    this.#refilledMs = nowMs
    if (this.#tokens < 1) return (1 - this.#tokens) / this.#perMs
    this.#tokens--
    return 0
  }
}
