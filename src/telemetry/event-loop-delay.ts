import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Sample } from './prometheus.ts'

/** How often the delay is sampled, in milliseconds. */
const RESOLUTION_MS = 20
const QUANTILES = [0.5, 0.9, 0.99, 1]
const NANOSECONDS = 1e9

/** How late the event loop runs its timers: the time a request waits before anyone looks at it. */
export class EventLoopDelay {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  #count = 0
  #sumSeconds = 0

  constructor() {
    this.#histogram.enable()
  }

  /** Quantiles since the last call, and the running sum and count of all samples. */
  takeSamples(name: string): Sample[] {
    const histogram = this.#histogram
    const { count } = histogram
    const quantiles = QUANTILES.map(quantile => ({
      labels: { quantile },
      value: count > 0 ? delaySeconds(histogram.percentile(quantile * 100)) : 0,
    }))
    this.#count += count
    this.#sumSeconds += count > 0 ? delaySeconds(histogram.mean) * count : 0
    histogram.reset()
    return [
      ...quantiles,
      { metricName: `${name}_sum`, value: this.#sumSeconds },
      { metricName: `${name}_count`, value: this.#count },
    ]
  }

  /** Ends the sampling. Idempotent. */
  close(): void {
    this.#histogram.disable()
  }
}

// What Node records is the time between two samples, the interval asked for included.
function delaySeconds(nanoseconds: number): number {
  return Math.max(0, nanoseconds / NANOSECONDS - RESOLUTION_MS / 1000)
}
