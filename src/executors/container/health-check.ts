import type { Clock, Timer } from '../../clock.ts'
import type { Address } from '../http/address.ts'
import { probe, type Sign } from '../http/readiness.ts'

/** Failures in a row after which a server counts as dead. */
const FAILURES = 3
const LONGEST_MS = 5_000

export interface HealthCheckOptions {
  readonly address: Address
  readonly sign: Sign
  readonly intervalMs: number
  readonly clock: Clock
  /** Called after so many failures in a row; again after as many more, unless it is stopped. */
  unhealthy(failures: number): void
}

/** Looks after a server again and again. A check that is still under way delays the next one. */
export class HealthCheck {
  readonly #options: HealthCheckOptions
  readonly #stopping = new AbortController()
  #timer: Timer
  #failures = 0

  constructor(options: HealthCheckOptions) {
    this.#options = options
    this.#timer = this.#schedule()
  }

  /** Ends it. Idempotent. */
  stop(): void {
    this.#stopping.abort()
    this.#timer.cancel()
  }

  #schedule(): Timer {
    const { clock, intervalMs } = this.#options
    return clock.setTimer(() => void this.#check(), intervalMs)
  }

  async #check(): Promise<void> {
    const { address, sign, intervalMs, clock, unhealthy } = this.#options
    const { signal } = this.#stopping
    const limitMs = Math.min(intervalMs, LONGEST_MS)
    const isHealthy = await probe(address, { sign, limitMs, clock, signal })
    if (signal.aborted) return
    this.#failures = isHealthy ? 0 : this.#failures + 1
    if (this.#failures > 0 && this.#failures % FAILURES === 0) unhealthy(this.#failures)
    // What is to end it may have failed to.
    if (!signal.aborted) this.#timer = this.#schedule()
  }
}
