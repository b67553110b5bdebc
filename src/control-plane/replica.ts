import { backoffMs, pause, unlessAborted } from '../backoff.ts'
import { type Clock, systemClock } from '../clock.ts'
import { FezzError } from '../errors.ts'
import { runInSlices, SLICE_MS } from '../routing/slices.ts'
import type { Logger } from '../telemetry/logger.ts'
import { differences } from './listing-diff.ts'
import {
  compareRevisions,
  type Listing,
  type Revision,
  type Store,
  type StoreChange,
  type StoredValue,
  type StoreEvent,
} from './store.ts'

const LISTING_REASONS = ['start', 'watch_lost', 'unavailable', 'ended', 'compare'] as const

/** Why a listing was made: the first one, what ended the watch before it, or the periodic compare. */
export type ListingReason = (typeof LISTING_REASONS)[number]

/** What is different from what was told before; `events` may be empty when only the revision moved. */
export interface ReplicaChange {
  /** Each key at most once. */
  readonly events: readonly StoreEvent[]
  /** Everything up to here has now been told. */
  readonly revision: Revision
  /** Whether it comes from a listing; then the replica holds exactly what the store listed. */
  readonly isListing: boolean
}

export interface ReplicaOptions {
  readonly store: Store
  readonly prefix: string
  /** Called in order; {@link Replica.entries} are up to date already. What it throws is logged. */
  readonly onChange: (change: ReplicaChange) => void
  readonly log: Logger
  /** What the consumer knows already, such as from a snapshot: the first listing tells what differs. */
  readonly initial?: Listing
  /** Default: the machine's. */
  readonly clock?: Clock
  /** In [0, 1); spreads waits. Default `Math.random`. */
  readonly random?: () => number
  /** Time between full compares, give or take a tenth. Default 60,000. */
  readonly compareEveryMs?: number
}

export interface ReplicaStatus {
  /** Whether the store answered when it was last asked. */
  readonly connected: boolean
  /** Everything up to here has been told; `undefined` before anything is known. */
  readonly revision: Revision | undefined
  /** Listings made so far, by reason. */
  readonly listings: ReadonlyMap<ListingReason, number>
  /** Entries that a periodic compare found wrong and mended: the watch had missed them. */
  readonly repaired: number
}

const BACKOFF = { firstMs: 50, maxMs: 2_000 } as const

/** A watch that has lived this long makes earlier failures forgotten. */
const HEALTHY_MS = 2_000

/** What a compare finds this long after the last change was not just on its way. */
const SILENCE_MS = 1_000

/**
 * A copy of all entries under a prefix that follows the store: list, watch from there, and on any
 * doubt list again and tell the difference. Nothing is missed and nothing is told twice, whatever
 * ends the watch. Attempts back off, so that a store in trouble isn't asked all the time.
 *
 * A listing is always believed, also one that is older than what was known: whoever follows
 * decides what to make of a store that has lost its data.
 */
export class Replica implements AsyncDisposable {
  readonly #options: ReplicaOptions
  readonly #clock: Clock
  readonly #random: () => number
  readonly #log: Logger
  readonly #entries: Map<string, StoredValue>
  readonly #listings = new Map<ListingReason, number>(LISTING_REASONS.map(reason => [reason, 0]))
  readonly #synced = Promise.withResolvers<void>()
  readonly #closing = new AbortController()
  #watching = new AbortController()
  #running: Promise<void> | undefined
  #connected = false
  #revision: Revision | undefined
  /** Of the last listing: the watch has nothing to tell from before it. */
  #listedAt: Revision = '0'
  #toldAtMs = Number.NEGATIVE_INFINITY
  #lostAtMs: number | undefined
  #failures = 0
  #repaired = 0

  constructor(options: ReplicaOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#random = options.random ?? Math.random
    this.#log = options.log.child({ store: options.store.kind, prefix: options.prefix })
    this.#entries = new Map(options.initial?.entries)
    this.#revision = options.initial?.revision
    // Nobody has to wait for it.
    this.#synced.promise.catch(() => {})
  }

  /** Resolves when the first listing has been told; rejects when the replica is closed before. */
  get synced(): Promise<void> {
    return this.#synced.promise
  }

  /** The entries as told so far. */
  get entries(): ReadonlyMap<string, StoredValue> {
    return this.#entries
  }

  get status(): ReplicaStatus {
    return {
      connected: this.#connected,
      revision: this.#revision,
      listings: this.#listings,
      repaired: this.#repaired,
    }
  }

  /** Begins to follow the store. Idempotent. */
  start(): void {
    if (!this.#closing.signal.aborted) this.#running ??= this.#run()
  }

  /** Nothing is told any more; the store stays open. Idempotent. */
  async close(): Promise<void> {
    this.#connected = false
    this.#closing.abort()
    this.#watching.abort()
    this.#synced.reject(new FezzError('STORE_UNAVAILABLE', 'closed before the store has answered'))
    await this.#running
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    let reason: ListingReason = 'start'
    while (!signal.aborted) {
      reason = await this.#follow(reason)
      if (reason === 'compare') continue
      // One lost watch is nothing special, and what it has missed is wanted soon.
      const atOnce = reason === 'watch_lost' && this.#failures === 0
      const waitMs = atOnce ? 0 : backoffMs(this.#failures, BACKOFF, this.#random)
      this.#failures++
      await pause(this.#clock, waitMs, signal)
    }
  }

  /** One listing and the watch from there. @returns why it ended */
  async #follow(reason: ListingReason): Promise<ListingReason> {
    const { store, prefix } = this.#options
    let listedAtMs = Number.POSITIVE_INFINITY
    try {
      const listing = await unlessAborted(store.list(prefix), this.#closing.signal)
      await this.#takeListing(listing, reason)
      listedAtMs = this.#clock.now()
      return await this.#watch(listing.revision)
    } catch (error) {
      if (error instanceof FezzError && error.code === 'WATCH_LOST') {
        this.#log.debug({ err: error }, 'watch lost, listing again')
        return 'watch_lost'
      }
      this.#lose(error)
      return 'unavailable'
    } finally {
      if (this.#clock.now() - listedAtMs >= HEALTHY_MS) this.#failures = 0
    }
  }

  async #watch(from: Revision): Promise<ListingReason> {
    const { store, prefix, compareEveryMs = 60_000 } = this.#options
    const watching = new AbortController()
    this.#watching = watching
    if (this.#closing.signal.aborted) return 'ended'
    let isCompare = false
    const compare = () => {
      isCompare = true
      watching.abort()
    }
    const timer = this.#clock.setTimer(compare, compareEveryMs * (0.9 + this.#random() / 5))
    try {
      for await (const change of store.watch(prefix, from, watching.signal)) {
        if (this.#closing.signal.aborted) break
        this.#takeChange(change)
      }
    } catch (error) {
      if (!isCompare) throw error
    } finally {
      timer.cancel()
    }
    return isCompare ? 'compare' : 'ended'
  }

  async #takeListing({ entries, revision }: Listing, reason: ListingReason): Promise<void> {
    const compared = differences(this.#entries, entries)
    const events = await runInSlices(compared, SLICE_MS, this.#closing.signal)
    if (reason === 'compare') this.#repaired += events.filter(this.#wasMissed).length
    this.#listings.set(reason, (this.#listings.get(reason) ?? 0) + 1)
    this.#listedAt = revision
    this.#find()
    this.#tell({ events, revision, isListing: true })
    this.#synced.resolve()
  }

  #takeChange({ events, revision }: StoreChange): void {
    if (compareRevisions(revision, this.#revision ?? '0') <= 0) return
    this.#toldAtMs = this.#clock.now()
    this.#tell({ events: events.filter(this.#isNews), revision, isListing: false })
  }

  #tell(change: ReplicaChange): void {
    for (const { key, stored } of change.events) {
      if (stored === undefined) this.#entries.delete(key)
      else this.#entries.set(key, stored)
    }
    this.#revision = change.revision
    try {
      this.#options.onChange(change)
    } catch (error) {
      this.#log.error({ err: error, revision: change.revision }, 'a change could not be handled')
    }
  }

  /** Whether an event of the watch is newer than what is known of its key. */
  readonly #isNews = ({ key, stored }: StoreEvent): boolean => {
    const known = this.#entries.get(key)
    if (stored === undefined) return known !== undefined
    return compareRevisions(stored.revision, known?.revision ?? this.#listedAt) > 0
  }

  /** Whether the watch should have told it: it was quiet, or told of later changes. */
  readonly #wasMissed = ({ stored }: StoreEvent): boolean => {
    if (this.#clock.now() - this.#toldAtMs >= SILENCE_MS) return true
    return stored !== undefined && compareRevisions(stored.revision, this.#revision ?? '0') <= 0
  }

  #lose(error: unknown): void {
    if (this.#closing.signal.aborted) return
    this.#connected = false
    if (this.#lostAtMs !== undefined) return
    this.#lostAtMs = this.#clock.now()
    this.#log.warn({ err: error }, 'the store does not answer; going on with what is known')
  }

  #find(): void {
    this.#connected = true
    if (this.#lostAtMs === undefined) return
    const lostMs = Math.round(this.#clock.now() - this.#lostAtMs)
    this.#lostAtMs = undefined
    this.#log.info({ lostMs }, 'the store answers again')
  }
}
