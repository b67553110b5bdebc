import { type Clock, systemClock } from '../../clock.ts'
import { FezzError } from '../../errors.ts'
import { runInSlices } from '../../routing/slices.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type {
  DeleteOptions,
  Lease,
  Listing,
  PutOptions,
  Revision,
  Store,
  StoreChange,
} from '../store.ts'
import { createSession, listBelow, type Operation, probe, transact } from './calls.ts'
import { Connection, type ConsulTls } from './connection.ts'
import { TransactionFailed, unavailable } from './failure.ts'
import { KnownListings } from './known-listings.ts'
import { ConsulLease } from './lease.ts'
import { readEntries } from './listing.ts'
import { Pulse } from './pulse.ts'
import type { Rate } from './token-bucket.ts'
import { watchFrom } from './watch.ts'

export interface ConsulStoreOptions {
  /** `http://host:port` or `https://host:port` of an agent. */
  readonly endpoint: string
  /** Sent as a header. */
  readonly token?: string
  readonly tls?: ConsulTls
  /** For each call. Default 3,000. */
  readonly timeoutMs?: number
  /** How long Consul may hold back the answer of a watch, give or take a tenth. Default 55,000. */
  readonly waitMs?: number
  /** Time between signs of life that a server with watches is asked for. Default 5,000. */
  readonly probeEveryMs?: number
  /** Queries of one watch. Default 10 at once, and 2 a second in the long run. */
  readonly rate?: Rate
  /** The server's `session_ttl_min`. Default 10,000, as Consul's. */
  readonly minSessionTtlMs?: number
  readonly log: Logger
  /** Default: the machine's. */
  readonly clock?: Clock
  /** In [0, 1); spreads waits. Default `Math.random`. */
  readonly random?: () => number
}

/** Consul's default for `txn_max_req_len`: the whole transaction in JSON, with the value in base64. */
const MAX_TRANSACTION_BYTES = 512 * 1024

/** Below every prefix, and nothing ever is there. */
const NOWHERE = '~~fezz~nowhere~~'

/** A session lives up to twice its TTL: the server's grace for late renewals. */
const SESSION_GRACE = 2

/**
 * A store in Consul's KV store. Revisions are Consul's indexes.
 *
 * Of a key and its value about 384 KiB fit. A lease lives at most `ttlMs` after the last sign of
 * life, but Consul cannot do less than 20 s (twice its `session_ttl_min`).
 */
export class ConsulStore implements Store {
  readonly kind = 'consul'
  readonly #options: ConsulStoreOptions
  readonly #connection: Connection
  readonly #random: () => number
  readonly #pulse: Pulse
  readonly #known = new KnownListings()
  readonly #leases = new Set<ConsulLease>()

  /** Connects when it is first used. @throws FezzError `INVALID_CONFIG` */
  constructor(options: ConsulStoreOptions) {
    const { endpoint, token, tls, timeoutMs = 3_000, clock = systemClock } = options
    this.#options = options
    this.#random = options.random ?? Math.random
    const connection = new Connection({ endpoint, token, tls, timeoutMs, clock })
    this.#connection = connection
    this.#pulse = new Pulse({
      probe: prefix => probe(connection, prefix),
      everyMs: options.probeEveryMs ?? 5_000,
      clock,
      closed: connection.closed,
    })
  }

  async list(prefix: string): Promise<Listing> {
    const connection = this.#connection
    const untilMs = connection.clock.now() + connection.timeoutMs
    const leftMs = () => Math.max(1, untilMs - connection.clock.now())
    // The index of a prefix goes back when Consul forgets what was deleted there. That of one where
    // nothing ever was is the index of the whole KV store, which does not. Asked for first: the
    // listing then holds everything up to it.
    const before = await listBelow(connection, prefix + NOWHERE, undefined, leftMs())
    const { index, chunks } = await listBelow(connection, prefix, undefined, leftMs())
    // Consul does not list what the token may not read, which is not the same as its being gone.
    if (chunks.length === 0) await probe(connection, prefix, leftMs())
    // Shares what is the same with the listing before, which is kept as well.
    const known = { entries: this.#known.latest(prefix)?.entries, sameHistory: false }
    const entries = await runInSlices(readEntries(chunks, known))
    connection.closed.throwIfAborted()
    const listing = { entries, revision: String(Math.max(before.index, index)), index }
    this.#known.remember(prefix, listing)
    return { entries, revision: listing.revision }
  }

  async put(key: string, value: string, options: PutOptions = {}): Promise<Revision> {
    const { lease, ifRevision } = options
    if (lease !== undefined && !(lease instanceof ConsulLease)) {
      throw new TypeError(`the lease of ${key} is one of another store`)
    }
    this.#connection.closed.throwIfAborted()
    if (lease?.ended) throw endedLease(key)
    const Value = Buffer.from(value).toString('base64')
    const written: Operation =
      lease === undefined
        ? { Verb: 'set', Key: key, Value }
        : { Verb: 'lock', Key: key, Value, Session: lease.session }
    const operations: Operation[] = [
      ...conditionOf(key, ifRevision),
      // The key must be free of any other session, and the same value again must be a change.
      { Verb: 'delete', Key: key },
      written,
    ]
    checkSize(key, value, operations)
    try {
      // Some conditions answer with the old revision first.
      const indexes = await transact(this.#connection, `put ${key}`, operations)
      return String(indexes.at(-1))
    } catch (error) {
      if (!(error instanceof TransactionFailed)) throw error
      if (ifRevision !== undefined && error.index === 0) throw conflict(key, error)
      if (lease === undefined) throw unavailable(`Consul refuses ${key}: ${error.message}`, error)
      lease.end('Consul has ended the session')
      throw endedLease(key, error)
    }
  }

  async delete(key: string, { ifRevision }: DeleteOptions = {}): Promise<boolean> {
    const operations: Operation[] = [
      // Fails when there is no such key.
      ...(ifRevision === undefined
        ? [{ Verb: 'get', Key: key } as const]
        : conditionOf(key, ifRevision)),
      { Verb: 'delete', Key: key },
    ]
    try {
      await transact(this.#connection, `delete ${key}`, operations)
      return true
    } catch (error) {
      if (!(error instanceof TransactionFailed)) throw error
      if (ifRevision !== undefined) throw conflict(key, error)
      return false
    }
  }

  watch(prefix: string, from: Revision, signal: AbortSignal): AsyncIterable<StoreChange> {
    const base = this.#known.find(prefix, from)
    if (base === undefined) return this.#unknown(prefix, from, signal)
    return watchFrom(base, {
      connection: this.#connection,
      pulse: this.#pulse,
      prefix,
      signal,
      waitMs: this.#options.waitMs ?? 55_000,
      rate: this.#options.rate ?? { burst: 10, perSecond: 2 },
      random: this.#random,
    })
  }

  async lease(ttlMs: number): Promise<Lease> {
    const connection = this.#connection
    const { minSessionTtlMs = 10_000, log } = this.#options
    const sessionTtlMs = Math.max(minSessionTtlMs, Math.floor(ttlMs / SESSION_GRACE))
    const confirmedAtMs = connection.clock.now()
    const session = await createSession(connection, sessionTtlMs)
    connection.closed.throwIfAborted()
    const lease = new ConsulLease({
      connection,
      session,
      ttlMs: sessionTtlMs * SESSION_GRACE,
      confirmedAtMs,
      random: this.#random,
      log,
      onEnd: ended => void this.#leases.delete(ended),
    })
    this.#leases.add(lease)
    return lease
  }

  async close(): Promise<void> {
    this.#connection.close()
    this.#known.clear()
    for (const lease of this.#leases) lease.end('the store was closed')
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  // biome-ignore lint/correctness/useYield: it only ends or throws
  async *#unknown(prefix: string, from: Revision, signal: AbortSignal): AsyncGenerator<never> {
    if (signal.aborted) return
    this.#connection.closed.throwIfAborted()
    throw new FezzError('WATCH_LOST', `${prefix} has not been listed at ${from}, or too long ago`)
  }
}

function conditionOf(key: string, ifRevision: Revision | null | undefined): Operation[] {
  if (ifRevision === undefined) return []
  if (ifRevision === null) return [{ Verb: 'check-not-exists', Key: key }]
  return [{ Verb: 'check-index', Key: key, Index: Number(ifRevision) }]
}

/** Beforehand, as Consul may hang up on a request that is too large instead of answering it. */
function checkSize(key: string, value: string, operations: readonly Operation[]): void {
  const bytes = Buffer.byteLength(JSON.stringify(operations.map(KV => ({ KV }))))
  if (bytes <= MAX_TRANSACTION_BYTES) return
  throw new FezzError(
    'INVALID_ENTRY',
    `the value of ${key} is too large for Consul: ${Buffer.byteLength(value)} bytes, which are ` +
      `${bytes} in a request that may have ${MAX_TRANSACTION_BYTES}; make it smaller`,
  )
}

function conflict(key: string, cause: Error): FezzError {
  return new FezzError('CONFLICT', `${key} is not as it was: ${cause.message}`, { cause })
}

function endedLease(key: string, cause?: Error): FezzError {
  const options = cause === undefined ? {} : { cause }
  return new FezzError('CONFLICT', `the lease for ${key} has ended; take a new one`, options)
}
