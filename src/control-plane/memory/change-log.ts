import { FezzError } from '../../errors.ts'
import type { Revision, StoreChange, StoredValue, StoreEvent } from '../store.ts'

/** A key after a change, and which change that was. */
export interface LoggedChange {
  readonly key: string
  readonly stored?: StoredValue
  readonly revision: number
}

/** The last changes of a store in the memory of this process, and whoever follows them. */
export class ChangeLog {
  readonly #limit: number
  /** Oldest first. */
  readonly #changes: LoggedChange[] = []
  readonly #waiting = new Set<() => void>()
  /** What came up to here is not in the log, or not any more. */
  #floor: number
  #revision: number

  /** @param limit how many changes are kept */
  constructor(revision: number, limit = 10_000) {
    this.#floor = revision
    this.#revision = revision
    this.#limit = limit
  }

  /** Of the last change. */
  get revision(): number {
    return this.#revision
  }

  /** Adds changes that became known together, in the order of their revisions. */
  add(changes: readonly LoggedChange[]): void {
    const last = changes.at(-1)
    if (last === undefined) return
    for (const change of changes) this.#changes.push(change)
    this.#revision = last.revision
    // Twice the limit, so that a full log is not moved with every change.
    if (this.#changes.length > 2 * this.#limit) {
      const dropped = this.#changes.splice(0, this.#changes.length - this.#limit)
      this.#floor = (dropped.at(-1) as LoggedChange).revision
    }
    for (const wake of [...this.#waiting]) wake()
  }

  /**
   * As `Store.watch`.
   *
   * @param closed of the store; its reason is what the watch throws
   */
  async *watch(
    prefix: string,
    from: Revision,
    signal: AbortSignal,
    closed: AbortSignal,
  ): AsyncGenerator<StoreChange, void> {
    let known = Number(from)
    while (!signal.aborted) {
      closed.throwIfAborted()
      if (!(known >= this.#floor && known <= this.#revision)) {
        throw new FezzError(
          'WATCH_LOST',
          `the changes since revision ${known} are not known any more; list ${prefix} again`,
        )
      }
      const events = this.#since(prefix, known)
      known = this.#revision
      if (events.length > 0) yield { events, revision: String(known) }
      else await this.#next([signal, closed])
    }
  }

  #since(prefix: string, known: number): StoreEvent[] {
    const events = new Map<string, StoreEvent>()
    for (let at = this.#changes.length - 1; at >= 0; at--) {
      const { key, stored, revision } = this.#changes[at] as LoggedChange
      if (revision <= known) break
      if (!key.startsWith(prefix) || events.has(key)) continue
      events.set(key, stored === undefined ? { key } : { key, stored })
    }
    return [...events.values()].reverse()
  }

  async #next(signals: readonly AbortSignal[]): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const wake = () => resolve()
    this.#waiting.add(wake)
    for (const signal of signals) signal.addEventListener('abort', wake)
    try {
      await promise
    } finally {
      this.#waiting.delete(wake)
      for (const signal of signals) signal.removeEventListener('abort', wake)
    }
  }
}
