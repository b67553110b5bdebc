import type {
  DeleteOptions,
  Lease,
  Listing,
  PutOptions,
  Revision,
  Store,
  StoreChange,
} from './store.ts'

/**
 * A part of a store as a store of its own: `prefix/` stands before every key. Closing it closes
 * the store.
 *
 * @param prefix without slashes around it; `""` answers with `store` itself
 */
export function prefixed(store: Store, prefix: string): Store {
  return prefix === '' ? store : new PrefixedStore(store, `${prefix}/`)
}

class PrefixedStore implements Store {
  readonly kind: Store['kind']
  readonly #store: Store
  readonly #prefix: string

  constructor(store: Store, prefix: string) {
    this.kind = store.kind
    this.#store = store
    this.#prefix = prefix
  }

  async list(prefix: string): Promise<Listing> {
    const { entries, revision } = await this.#store.list(this.#prefix + prefix)
    const own = Array.from(entries, ([key, stored]) => [this.#own(key), stored] as const)
    return { entries: new Map(own), revision }
  }

  put(key: string, value: string, options?: PutOptions): Promise<Revision> {
    return this.#store.put(this.#prefix + key, value, options)
  }

  delete(key: string, options?: DeleteOptions): Promise<boolean> {
    return this.#store.delete(this.#prefix + key, options)
  }

  async *watch(prefix: string, from: Revision, signal: AbortSignal): AsyncIterable<StoreChange> {
    for await (const { events, revision } of this.#store.watch(
      this.#prefix + prefix,
      from,
      signal,
    )) {
      yield { events: events.map(event => ({ ...event, key: this.#own(event.key) })), revision }
    }
  }

  lease(ttlMs: number): Promise<Lease> {
    return this.#store.lease(ttlMs)
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #own(key: string): string {
    return key.slice(this.#prefix.length)
  }
}
