import type { StoredValue } from '../store.ts'

/** Keys and values in memory, listed in the order of the keys. */
export class SortedEntries {
  readonly #entries = new Map<string, StoredValue>()
  /** Sorting 10,000 keys takes longer than copying them, and most changes leave the keys as they are. */
  #keys: readonly string[] | undefined

  get(key: string): StoredValue | undefined {
    return this.#entries.get(key)
  }

  set(key: string, stored: StoredValue): void {
    if (!this.#entries.has(key)) this.#keys = undefined
    this.#entries.set(key, stored)
  }

  delete(key: string): boolean {
    const had = this.#entries.delete(key)
    if (had) this.#keys = undefined
    return had
  }

  /** What begins with `prefix`; a copy. */
  under(prefix: string): Map<string, StoredValue> {
    this.#keys ??= [...this.#entries.keys()].sort()
    const found = new Map<string, StoredValue>()
    for (const key of this.#keys) {
      if (key.startsWith(prefix)) found.set(key, this.#entries.get(key) as StoredValue)
    }
    return found
  }
}
