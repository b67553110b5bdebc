import type { FezzError } from '../errors.ts'
import { runInSlices, SLICE_MS } from '../routing/slices.ts'
import type { Logger } from '../telemetry/logger.ts'
import { formatFunctionEntry, parseFunctionEntry } from './entry-schema.ts'
import { FunctionEntries, type FunctionEvent } from './function-entries.ts'
import type { FunctionEntry } from './function-entry.ts'
import { FUNCTIONS } from './keys.ts'
import { Replica } from './replica.ts'
import type { PutOptions, Revision, Store, StoreEvent } from './store.ts'

export interface FunctionStoreOptions {
  /** Is told of outages while watching. Default: nobody is. */
  readonly log?: Logger
}

/** All functions, as they were together at one revision. */
export interface FunctionListing {
  readonly entries: ReadonlyMap<string, FunctionEntry>
  /** Entries that are wrong, by id. */
  readonly rejected: ReadonlyMap<string, FezzError>
  /** Revision of each entry, also of the wrong ones, by id: for `ifRevision`. */
  readonly revisions: ReadonlyMap<string, Revision>
  readonly revision: Revision
}

export interface WatchOptions {
  /** Ends the watch. */
  readonly signal?: AbortSignal
  /** Begin with what is there already. Default true; false: only what changes from then on. */
  readonly initial?: boolean
}

/**
 * The functions in a store, which stays the caller's to close.
 *
 * @example
 * const functions = new FunctionStore(store)
 * await functions.register(new FunctionEntry({ id: 'hello', path: '/hello' }).artifact({ sha256 }))
 * for await (const event of functions.watch({ signal })) console.log(event.type)
 */
export class FunctionStore {
  readonly #store: Store
  readonly #log: Logger

  constructor(store: Store, { log = SILENT }: FunctionStoreOptions = {}) {
    this.#store = store
    this.#log = log
  }

  /**
   * Adds a function, or replaces it.
   *
   * @param options `ifRevision`: only if its entry still has this revision; `null`: only if there is
   *   none
   * @returns the revision of the change
   * @throws FezzError `CONFLICT`, `STORE_UNAVAILABLE`, `INVALID_ENTRY` when no host would take it
   */
  async register(
    entry: FunctionEntry,
    options: Pick<PutOptions, 'ifRevision'> = {},
  ): Promise<Revision> {
    const key = FUNCTIONS + entry.id
    const value = formatFunctionEntry(entry)
    parseFunctionEntry(key, value)
    return this.#store.put(key, value, options)
  }

  /** @throws FezzError `STORE_UNAVAILABLE`, `INVALID_ENTRY` when it is there, but wrong */
  async get(id: string): Promise<FunctionEntry | undefined> {
    const key = FUNCTIONS + id
    const { entries } = await this.#store.list(key)
    const stored = entries.get(key)
    return stored && parseFunctionEntry(key, stored.value)
  }

  /** @throws FezzError `STORE_UNAVAILABLE` */
  async list(): Promise<FunctionListing> {
    const listing = await this.#store.list(FUNCTIONS)
    const functions = new FunctionEntries()
    const events = Array.from(listing.entries, ([key, stored]) => ({ key, stored }))
    await runInSlices(functions.applyInSteps(events))
    const { entries, rejected } = functions
    const revisions = new Map(
      events.map(({ key, stored }) => [key.slice(FUNCTIONS.length), stored.revision]),
    )
    return { entries, rejected, revisions, revision: listing.revision }
  }

  /**
   * @returns whether it was there
   * @throws FezzError `STORE_UNAVAILABLE`
   */
  unregister(id: string): Promise<boolean> {
    return this.#store.delete(FUNCTIONS + id)
  }

  /**
   * What becomes of the functions, in order, from the moment iteration begins until `signal` aborts
   * or the loop is left. Outages of the store are waited out; then comes what differs. Whoever is
   * slow is told of several changes of one function as one.
   */
  async *watch({ signal, initial = true }: WatchOptions = {}): AsyncGenerator<FunctionEvent, void> {
    const functions = new FunctionEntries()
    const inbox = new Inbox()
    const log = this.#log
    await using replica = new Replica({
      store: this.#store,
      prefix: FUNCTIONS,
      log,
      onChange: ({ events }) => inbox.put(events),
    })
    const wake = () => inbox.wake()
    signal?.addEventListener('abort', wake, { once: true })
    try {
      replica.start()
      for (let isFirst = true; !signal?.aborted; isFirst = false) {
        const taken = await inbox.take()
        const events = await runInSlices(functions.applyInSteps(taken), SLICE_MS)
        if (isFirst && !initial) continue
        for (const event of events) {
          if (signal?.aborted) return
          yield event
        }
      }
    } finally {
      signal?.removeEventListener('abort', wake)
    }
  }
}

/** Changes that wait for whoever takes them: the last one of each key. The first batch stays alone. */
class Inbox {
  readonly #batches: Map<string, StoreEvent>[] = []
  #isFirst = true
  #arrival = Promise.withResolvers<void>()

  put(events: readonly StoreEvent[]): void {
    const last = this.#isFirst || this.#batches.length === 0 ? undefined : this.#batches.at(-1)
    const batch = last ?? new Map<string, StoreEvent>()
    for (const event of events) batch.set(event.key, event)
    if (last === undefined) this.#batches.push(batch)
    this.#isFirst = false
    this.wake()
  }

  wake(): void {
    this.#arrival.resolve()
  }

  async take(): Promise<readonly StoreEvent[]> {
    if (this.#batches.length === 0) await this.#arrival.promise
    this.#arrival = Promise.withResolvers()
    return [...(this.#batches.shift()?.values() ?? [])]
  }
}

const SILENT: Logger = {
  error() {},
  warn() {},
  info() {},
  debug() {},
  child: () => SILENT,
  isLevelEnabled: () => false,
}
