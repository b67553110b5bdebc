import { type Clock, systemClock } from '../../clock.ts'
import { FezzError } from '../../errors.ts'
import type {
  DeleteOptions,
  Lease,
  Listing,
  PutOptions,
  Revision,
  Store,
  StoreChange,
} from '../store.ts'
import { MemoryData } from './memory-data.ts'
import { MemoryLease } from './memory-lease.ts'

export interface MemoryStoreOptions {
  readonly clock?: Clock
  /** Changes that a watch may be behind; then it ends with `WATCH_LOST`. Default 10,000. */
  readonly historyLimit?: number
}

/** A store in the memory of this process: for tests, and for hosts that are on their own. */
export class MemoryStore implements Store {
  readonly kind = 'memory'
  readonly #data: MemoryData
  readonly #leases = new Map<MemoryLease, number>()
  readonly #closed = new AbortController()

  constructor({ clock = systemClock, historyLimit }: MemoryStoreOptions = {}, data?: MemoryData) {
    this.#data = data ?? new MemoryData(clock, historyLimit)
  }

  /** Another store onto the same data, as another process would have it. */
  share(): MemoryStore {
    return new MemoryStore({}, this.#data)
  }

  async list(prefix: string): Promise<Listing> {
    this.#closed.signal.throwIfAborted()
    return this.#data.list(prefix)
  }

  async put(key: string, value: string, options: PutOptions = {}): Promise<Revision> {
    this.#closed.signal.throwIfAborted()
    return this.#data.put(key, value, options)
  }

  async delete(key: string, options?: DeleteOptions): Promise<boolean> {
    this.#closed.signal.throwIfAborted()
    return this.#data.delete(key, options)
  }

  watch(prefix: string, from: Revision, signal: AbortSignal): AsyncIterable<StoreChange> {
    return this.#data.log.watch(prefix, from, signal, this.#closed.signal)
  }

  async lease(ttlMs: number): Promise<Lease> {
    this.#closed.signal.throwIfAborted()
    const lease = new MemoryLease(lease => {
      this.#leases.delete(lease)
      this.#data.release(lease)
    })
    this.#leases.set(lease, ttlMs)
    return lease
  }

  /** Ends the lease that holds `key`, as an operator could; its holder learns of it. */
  endLease(key: string): void {
    this.#data.leaseOf(key)?.expire()
  }

  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return
    this.#closed.abort(new FezzError('STORE_UNAVAILABLE', 'the memory store is closed'))
    for (const [lease, ttlMs] of this.#leases) lease.abandon(this.#data.clock, ttlMs)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
