import type { Clock } from '../clock.ts'
import type { Logger } from '../telemetry/logger.ts'
import { DRAINS } from './keys.ts'
import { Replica } from './replica.ts'
import type { Store } from './store.ts'

export interface DrainWatchOptions {
  readonly store: Store
  readonly nodeId: string
  /** Called when the answer changes; before the first call it is `false`. */
  readonly onDrain: (draining: boolean) => void
  readonly log: Logger
  /** Default: the machine's. */
  readonly clock?: Clock
  /** In [0, 1); spreads retries. Default `Math.random`. */
  readonly random?: () => number
}

/**
 * Whether an operator wants this host drained: there is a `fezz/v1/drains/{id}`, whatever it says.
 * While the store is away, the last answer holds.
 */
export class DrainWatch implements AsyncDisposable {
  readonly #key: string
  readonly #onDrain: (draining: boolean) => void
  readonly #replica: Replica
  #isDraining = false

  constructor({ nodeId, onDrain, ...options }: DrainWatchOptions) {
    this.#key = DRAINS + nodeId
    this.#onDrain = onDrain
    this.#replica = new Replica({
      ...options,
      prefix: this.#key,
      onChange: () => this.#compare(),
    })
  }

  /** Begins to watch. Idempotent. */
  start(): void {
    this.#replica.start()
  }

  /** Idempotent. */
  close(): Promise<void> {
    return this.#replica.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Other nodes' ids may begin with ours; then this is called for theirs too. */
  #compare(): void {
    const isDraining = this.#replica.entries.has(this.#key)
    if (isDraining === this.#isDraining) return
    this.#isDraining = isDraining
    this.#onDrain(isDraining)
  }
}
