import { FezzError } from '../errors.ts'
import type { Steps } from '../routing/slices.ts'
import { parseFunctionEntry } from './entry-schema.ts'
import type { FunctionEntry } from './function-entry.ts'
import { FUNCTIONS } from './keys.ts'
import type { StoreEvent } from './store.ts'

/** What has become of a function. */
export type FunctionEvent =
  | { readonly type: 'Added' | 'Updated'; readonly entry: FunctionEntry }
  | { readonly type: 'Removed'; readonly id: string }
  /** Its entry is wrong now; the last good one, if there was one, stays. */
  | { readonly type: 'Rejected'; readonly id: string; readonly error: FezzError }

/**
 * The functions that the entries of a store stand for. An entry that is wrong is set aside alone,
 * and the last good version of it stays until the entry is mended or deleted.
 */
export class FunctionEntries {
  readonly #entries = new Map<string, FunctionEntry>()
  readonly #rejected = new Map<string, FezzError>()

  /** The last good version of each function, by id. */
  get entries(): ReadonlyMap<string, FunctionEntry> {
    return this.#entries
  }

  /** What is wrong with entries as they stand now, by the part of the key that is the id. */
  get rejected(): ReadonlyMap<string, FezzError> {
    return this.#rejected
  }

  /**
   * Takes changes of the store; what has the same content as before is no event. Nothing has changed
   * before the last step, so it may be given up; but there must not be two at once.
   */
  *applyInSteps(events: readonly StoreEvent[]): Steps<FunctionEvent[]> {
    const found = new Map<string, FunctionEntry | FezzError | undefined>()
    for (const { key, stored } of events) {
      if (!key.startsWith(FUNCTIONS)) continue
      const id = key.slice(FUNCTIONS.length)
      found.set(id, stored && this.#read(id, key, stored.value))
      yield
    }
    return Array.from(found, ([id, value]) => this.#take(id, value)).filter(
      event => event !== undefined,
    )
  }

  /** Answers with the known one where it is the same. */
  #read(id: string, key: string, value: string): FunctionEntry | FezzError {
    try {
      const entry = parseFunctionEntry(key, value)
      const known = this.#entries.get(id)
      return known?.equals(entry) ? known : entry
    } catch (error) {
      if (error instanceof FezzError) return error
      throw error
    }
  }

  #take(id: string, value: FunctionEntry | FezzError | undefined): FunctionEvent | undefined {
    const known = this.#entries.get(id)
    const complaint = this.#rejected.get(id)
    if (value instanceof FezzError) {
      this.#rejected.set(id, value)
      if (value.message === complaint?.message) return undefined
      return { type: 'Rejected', id, error: value }
    }
    this.#rejected.delete(id)
    if (value === undefined) return this.#entries.delete(id) ? { type: 'Removed', id } : undefined
    if (value === known) return undefined
    this.#entries.set(id, value)
    return { type: known === undefined ? 'Added' : 'Updated', entry: value }
  }
}
