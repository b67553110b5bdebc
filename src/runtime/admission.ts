import { FezzError } from '../errors.ts'
import type { HostedFunction } from './hosted-function.ts'

/** How full a host is before its functions have to share: what is above waits for newcomers. */
const CROWDED_SHARE = 0.8

/**
 * Decides which requests a host takes. With a bound on all of them together, one function must not
 * starve the others: above 80 % of the bound, a function that already holds more than its fair share
 * is refused, and the share leaves room for one function more than there are; see decision 0018.
 */
export class Admission {
  readonly #maxInFlight: number
  readonly #crowdedFrom: number
  #inFlight = 0
  /** Functions with a request in flight. */
  #active = 0

  /** @param maxInFlight requests at once; 0: no bound */
  constructor(maxInFlight: number) {
    this.#maxInFlight = maxInFlight === 0 ? Number.POSITIVE_INFINITY : maxInFlight
    this.#crowdedFrom = this.#maxInFlight * CROWDED_SHARE
  }

  /** Requests that have been admitted and not released. */
  get inFlight(): number {
    return this.#inFlight
  }

  /**
   * Counts a request of `hosted` as in flight until {@link release}, or says why it is refused:
   * `OVERLOADED`, or `TOO_MANY_REQUESTS` beyond the function's own rate.
   */
  admit(hosted: HostedFunction, nowMs: number): FezzError | undefined {
    const { metrics, rate } = hosted
    if (this.#inFlight >= this.#crowdedFrom) {
      if (this.#inFlight >= this.#maxInFlight) {
        return overloaded('the host serves its maximum of requests')
      }
      if (metrics.inFlight > this.#maxInFlight / (this.#active + 1)) {
        return overloaded(`function "${hosted.id}" has its share of a busy host`)
      }
    }
    if (rate !== undefined) {
      const waitMs = rate.take(nowMs)
      if (waitMs > 0) return tooFast(hosted.id, waitMs)
    }
    this.#inFlight++
    if (metrics.inFlight++ === 0) this.#active++
    return undefined
  }

  release({ metrics }: HostedFunction): void {
    this.#inFlight--
    if (--metrics.inFlight === 0) this.#active--
  }
}

function overloaded(message: string): FezzError {
  return new FezzError('OVERLOADED', message, { headers: { 'retry-after': '1' } })
}

function tooFast(id: string, waitMs: number): FezzError {
  return new FezzError('TOO_MANY_REQUESTS', `function "${id}" gets more requests than its rate`, {
    headers: { 'retry-after': String(Math.max(1, Math.ceil(waitMs / 1000))) },
  })
}
