import type { Clock, Timer } from '../clock.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { ReplicaChange } from './replica.ts'
import { compareRevisions, type Revision, type StoreEvent } from './store.ts'

export interface LossGuardOptions {
  readonly clock: Clock
  readonly log: Logger
  /** Quiet time after which a store that has come back to life is believed. Default 10,000. */
  readonly settleMs?: number
  /** What was known before the first listing. Default: nothing. */
  readonly revision?: Revision
  /** Whether that was suspect already. Default false. */
  readonly isSuspect?: boolean
  /** Whether the store answers and has entries. */
  readonly isAlive: () => boolean
  /** Called with the keys that are to be believed gone after all. */
  readonly onGone: (keys: readonly string[]) => void
}

/**
 * Tells entries that somebody has deleted from those that the store has lost. A listing whose revision
 * went backwards, or that has nothing at all, means that the store was wiped, or restored from a
 * backup. What such a listing lacks is held, and served on, until the store
 *
 * - has it again, or
 * - has entries and none has changed for `settleMs`: then somebody has put back what they want, and
 *   what is still missing goes. So nothing is taken down while `fezz apply` puts back one by one.
 *
 * An empty store is never believed, however far its revision has come: the hosts' own entries count it
 * up. Who deletes the last function while nobody watches is taken for a loss, too, and told so; the
 * other mistake would take everything down. Entries that a store has, and deletions that its watch
 * tells, are always believed.
 */
export class LossGuard {
  readonly #options: LossGuardOptions
  readonly #held = new Set<string>()
  #revision: Revision
  readonly #settleMs: number
  #isDoubtful: boolean
  #timer: Timer | undefined

  constructor(options: LossGuardOptions) {
    this.#options = options
    this.#revision = options.revision ?? '0'
    this.#isDoubtful = options.isSuspect ?? false
    this.#settleMs = options.settleMs ?? 10_000
  }

  /** Keys that the store lacks and that count as there. */
  get held(): ReadonlySet<string> {
    return this.#held
  }

  /** What of a change is to be believed. */
  filter({ events, revision, isListing }: ReplicaChange): readonly StoreEvent[] {
    const before = this.#revision
    const isBack = compareRevisions(revision, before) < 0
    this.#revision = revision
    for (const { key, stored } of events) if (stored !== undefined) this.#held.delete(key)
    const isEmpty = isListing && !this.#options.isAlive()
    if (!isListing || !(isBack || isEmpty || this.#isDoubtful)) {
      this.#settle()
      return events
    }
    this.#isDoubtful = false
    const gone = events.filter(event => event.stored === undefined)
    for (const { key } of gone) this.#held.add(key)
    if (gone.length > 0) this.#report(before)
    this.#settle()
    return events.filter(event => event.stored !== undefined)
  }

  close(): void {
    this.#timer?.cancel()
  }

  #settle(): void {
    this.#timer?.cancel()
    if (this.#held.size === 0) return
    const { clock, isAlive, onGone, log } = this.#options
    this.#timer = clock.setTimer(() => {
      // When it answers again it is listed, and that begins the time anew.
      if (!isAlive()) return
      const gone = [...this.#held]
      this.#held.clear()
      log.warn(
        { functions: gone.length },
        'the store is believed again; what it lacks is taken out',
      )
      onGone(gone)
    }, this.#settleMs)
  }

  #report(before: Revision): void {
    const { log } = this.#options
    const fields = { functions: this.#held.size, revision: this.#revision, before }
    log.error(
      fields,
      `the store seems to have lost data: functions are missing; they are served on. Put them back with "fezz apply"; once the store has functions and nothing has changed for ${this.#settleMs / 1000} s, what is still missing is taken out. If nothing is to be served, start again with an empty stateDir`,
    )
  }
}
