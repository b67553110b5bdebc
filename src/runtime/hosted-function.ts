import type { Clock } from '../clock.ts'
import type { Slot } from '../function/slot.ts'
import type { RouteEntry } from '../routing/route.ts'
import type { FunctionMetrics } from '../telemetry/function-metrics.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { CompleteDeployment } from './limits.ts'
import { TokenBucket } from './token-bucket.ts'

/** What a route leads to: one deployment with all that its requests need, bound once. */
export class HostedFunction {
  readonly slot: Slot
  readonly id: string
  readonly version: string
  readonly env: Readonly<Record<string, string>>
  /** Whether its code runs in this process, and so throws what the host sees. */
  readonly isInProcess: boolean
  readonly timeoutMs: number
  /** What its `rateLimit` leaves; `undefined` without one. */
  readonly rate: TokenBucket | undefined
  readonly metrics: FunctionMetrics
  readonly log: Logger
  /** Made once: a table gives up the very entries that it was given. */
  readonly routes: readonly RouteEntry<HostedFunction>[]
  readonly #clock: Clock

  constructor(
    slot: Slot,
    { manifest, env }: CompleteDeployment,
    metrics: FunctionMetrics,
    log: Logger,
    clock: Clock,
  ) {
    const { rateLimit, executor } = manifest.execution
    this.slot = slot
    this.id = manifest.id
    this.version = manifest.version
    this.env = env
    this.isInProcess = executor === 'in-process'
    this.timeoutMs = manifest.timeoutMs
    this.rate = rateLimit === undefined ? undefined : new TokenBucket(rateLimit, clock.now())
    this.metrics = metrics
    this.log = log
    this.routes = manifest.routes.map(route => ({ ...route, target: this }))
    this.#clock = clock
  }

  /**
   * Keeps the instance in use until `promise` settles, but for no longer than the function's
   * timeout: a promise that never settles must not pin the instance for ever.
   */
  waitUntil(promise: PromiseLike<unknown>, requestId: string): void {
    this.slot.hold()
    const done = () => {
      timer.cancel()
      if (held) this.slot.unhold(this.#clock.now())
      held = false
    }
    let held = true
    const timer = this.#clock.setTimer(() => {
      this.log.warn({ requestId }, `waitUntil has not settled within ${this.timeoutMs} ms`)
      done()
    }, this.timeoutMs)
    Promise.resolve(promise).then(done, err => {
      this.log.error({ requestId, err }, 'a waitUntil promise rejected')
      done()
    })
  }
}
