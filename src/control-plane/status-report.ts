import { backoffMs } from '../backoff.ts'
import { type Clock, systemClock } from '../clock.ts'
import type { Logger } from '../telemetry/logger.ts'
import { STATUS } from './keys.ts'
import type { Membership } from './membership.ts'
import type { NodeStatus } from './node-entry.ts'
import type { Lease, Store } from './store.ts'
import { Wakeup } from './wakeup.ts'

export interface StatusReportOptions {
  readonly store: Store
  readonly nodeId: string
  /** Whose lease it is written under: no report without a registered node. */
  readonly membership: Pick<Membership, 'lease' | 'onLease'>
  readonly log: Logger
  /** Default: the machine's. */
  readonly clock?: Clock
  /** In [0, 1); spreads retries. Default `Math.random`. */
  readonly random?: () => number
}

/** Many revisions may be applied in a short time; somebody waits for the last of them. */
const EVERY_MS = 100
const BACKOFF = { firstMs: 100, maxMs: 5_000 } as const

/**
 * What this host has applied, `fezz/v1/status/{id}`: written soon after it changes, at most every
 * 100 ms, again under each new lease, and until the store has it.
 */
export class StatusReport implements AsyncDisposable {
  readonly #options: StatusReportOptions
  readonly #clock: Clock
  readonly #wakeup: Wakeup
  readonly #closing = new AbortController()
  readonly #forgetLease: () => void
  #running: Promise<void> | undefined
  #wanted: NodeStatus | undefined
  #written: { readonly value: string; readonly lease: Lease } | undefined

  constructor(options: StatusReportOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#wakeup = new Wakeup(this.#clock)
    this.#forgetLease = options.membership.onLease(() => {
      this.#written = undefined
      this.#wakeup.wake()
    })
  }

  /** Takes note of `status`; it is written in the background. */
  report(status: NodeStatus): void {
    if (this.#closing.signal.aborted) return
    this.#wanted = status
    this.#running ??= this.#run()
    this.#wakeup.wake()
  }

  /** Nothing is written any more; what was goes with the lease. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort()
    this.#forgetLease()
    this.#wakeup.wake()
    await this.#running
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    let failures = 0
    let notBeforeMs = Number.NEGATIVE_INFINITY
    while (!signal.aborted) {
      const earlyMs = notBeforeMs - this.#clock.now()
      const value = JSON.stringify(this.#wanted)
      const { lease } = this.#options.membership
      const isWritten = this.#written?.value === value && this.#written.lease === lease
      if (lease === undefined || isWritten) await this.#wakeup.wait()
      else if (earlyMs > 0) await this.#wakeup.wait(earlyMs)
      else {
        const hasFailed = !(await this.#write(value, lease))
        failures = hasFailed ? failures + 1 : 0
        const pauseMs = hasFailed ? backoffMs(failures - 1, BACKOFF, this.#random) : EVERY_MS
        notBeforeMs = this.#clock.now() + pauseMs
      }
    }
  }

  async #write(value: string, lease: Lease): Promise<boolean> {
    const { store, nodeId, log } = this.#options
    try {
      await store.put(STATUS + nodeId, value, { lease })
      this.#written = { value, lease }
      return true
    } catch (error) {
      log.debug({ err: error }, 'the status of this host could not be written')
      return false
    }
  }

  get #random(): () => number {
    return this.#options.random ?? Math.random
  }
}
