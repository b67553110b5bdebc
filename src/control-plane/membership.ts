import { backoffMs, pause } from '../backoff.ts'
import { type Clock, systemClock } from '../clock.ts'
import { FezzError } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import { parseNodeEntry } from './entry-schema.ts'
import { NODES } from './keys.ts'
import { describeConflict, expiryMs, isRival } from './node-conflict.ts'
import type { NodeEntry, NodeState } from './node-entry.ts'
import { Replica } from './replica.ts'
import type { Lease, Store } from './store.ts'
import { Wakeup } from './wakeup.ts'

export interface MembershipOptions {
  readonly store: Store
  readonly node: Omit<NodeEntry, 'state'>
  /** How long the entry outlives this process when it dies. Default 15,000. */
  readonly ttlMs?: number
  readonly log: Logger
  /** Default: the machine's. */
  readonly clock?: Clock
  /** In [0, 1); spreads retries. Default `Math.random`. */
  readonly random?: () => number
}

export interface MembershipStatus {
  /** Whether the store has our entry, as far as we know. */
  readonly registered: boolean
  readonly state: NodeState
  /** How long `registered` has been what it is. */
  readonly sinceMs: number
  /** The host that is registered with our id instead. */
  readonly conflict: NodeEntry | undefined
}

/** Short: the store is expected back, and the others wait for this host. */
const BACKOFF = { firstMs: 50, maxMs: 1_000 } as const
/** The watch tells when the other host goes; this is for when it does not. */
const CONFLICT_BACKOFF = { firstMs: 1_000, maxMs: 15_000 } as const
/** Failures while the store can be read that are not just a race. */
const REFUSALS = 5
/** Whoever is told to go has other things to do; the lease runs out by itself. */
const LEAVE_MS = 3_000

/**
 * This host's entry in the store, `fezz/v1/nodes/{id}`: kept there under a lease from {@link join} to
 * {@link leave}, whatever becomes of the store, the lease or the entry meanwhile. An id belongs to the
 * host that has it: another one with the same id is told so, and does not get it.
 */
export class Membership implements AsyncDisposable {
  readonly #options: MembershipOptions
  readonly #key: string
  readonly #ttlMs: number
  readonly #clock: Clock
  readonly #random: () => number
  readonly #log: Logger
  readonly #own: Replica
  readonly #wakeup: Wakeup
  readonly #leaving = new AbortController()
  readonly #joined = Promise.withResolvers<void>()
  readonly #listeners = new Set<(lease: Lease) => void>()
  /** Of {@link setState}: to be resolved by the next attempt. */
  #waiting: (() => void)[] = []
  #running: Promise<void> | undefined
  #left: Promise<void> | undefined
  #state: NodeState = 'starting'
  #hasJoined = false
  #giveUpAtMs: number | undefined
  /** Kept alive by the store, with or without our entry. */
  #lease: Lease | undefined
  /** Of our entry; `undefined` while there is none. */
  #revision: string | undefined
  #conflict: NodeEntry | undefined
  /** Failures since the last success while the store could be read. */
  #refusals = 0
  #sinceMs: number

  constructor(options: MembershipOptions) {
    const { store, node, log, ttlMs = 15_000, clock = systemClock } = options
    this.#options = options
    this.#key = NODES + node.id
    this.#ttlMs = ttlMs
    this.#clock = clock
    this.#random = options.random ?? Math.random
    this.#log = log.child({ nodeId: node.id })
    this.#sinceMs = clock.now()
    this.#wakeup = new Wakeup(clock)
    this.#own = new Replica({
      store,
      prefix: this.#key,
      onChange: () => this.#compare(),
      log,
      clock,
      random: this.#random,
    })
    // Nobody has to wait for it.
    this.#joined.promise.catch(() => {})
  }

  status(): MembershipStatus {
    return {
      registered: this.#revision !== undefined,
      state: this.#state,
      sinceMs: this.#clock.now() - this.#sinceMs,
      conflict: this.#conflict,
    }
  }

  /** What our entry is kept under; `undefined` while there is none. */
  get lease(): Lease | undefined {
    return this.#revision === undefined ? undefined : this.#lease
  }

  /** Calls `listener` whenever the entry has been put under a lease. @returns ends that */
  onLease(listener: (lease: Lease) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /**
   * Registers the host. Resolves when it is, and also when the store does not answer: it goes on
   * trying. An entry that another host has left behind is waited for until it must be gone.
   *
   * @throws FezzError `INVALID_CONFIG` when another host that lives has this id
   */
  join(): Promise<void> {
    this.#running ??= this.#run()
    return this.#joined.promise
  }

  /**
   * Changes what the entry says. Resolves when the store has it, or the attempt has failed; then it is
   * written as soon as that is possible. Never rejects.
   */
  setState(state: NodeState): Promise<void> {
    if (state === this.#state) return Promise.resolve()
    this.#state = state
    if (this.#running === undefined || this.#leaving.signal.aborted) return Promise.resolve()
    return new Promise(resolve => {
      this.#waiting.push(resolve)
      this.#wakeup.wake()
    })
  }

  /**
   * Takes the entry out of the store, at once when the store answers and by the end of its lease
   * otherwise. Takes 3 s at most and never rejects. Idempotent.
   */
  leave(): Promise<void> {
    this.#left ??= this.#leave()
    return this.#left
  }

  /** The same as {@link leave}. */
  close(): Promise<void> {
    return this.leave()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.leave()
  }

  async #leave(): Promise<void> {
    this.#leaving.abort()
    this.#wakeup.wake()
    const patience = new AbortController()
    const gone = Promise.all([this.#running, this.#own.close()])
    const timeout = pause(this.#clock, LEAVE_MS, patience.signal)
    await Promise.race([gone.catch(() => {}), timeout])
    patience.abort()
  }

  async #run(): Promise<void> {
    const { signal } = this.#leaving
    let failures = 0
    while (!signal.aborted) {
      const waiting = this.#waiting
      this.#waiting = []
      let waitMs: number | undefined
      try {
        const other = await this.#attempt()
        if (other === undefined) failures = 0
        else waitMs = this.#yieldTo(other, failures++)
      } catch (error) {
        waitMs = backoffMs(failures++, BACKOFF, this.#random)
        this.#fail(error, waitMs)
      }
      for (const done of waiting) done()
      if (!signal.aborted) await this.#wakeup.wait(waitMs)
    }
    for (const done of this.#waiting) done()
    this.#joined.resolve()
    this.#setRevision(undefined)
    await this.#lease?.revoke()
  }

  /** Makes the store right if it is not. @returns who has our id */
  async #attempt(): Promise<NodeEntry | undefined> {
    const { store } = this.#options
    const lease = this.#lease ?? (await this.#newLease())
    const found = (await store.list(this.#key)).entries.get(this.#key)
    const value = JSON.stringify({ ...this.#options.node, state: this.#state })
    if (found !== undefined) {
      if (found.value === value && found.revision === this.#revision) return undefined
      const other = this.#otherIn(found.value)
      if (other !== undefined) return other
    }
    if (this.#revision !== undefined && found?.revision !== this.#revision) {
      this.#log.warn('the entry of this node was changed or deleted; putting it back')
      // Others under the same lease may have gone with it, and are put back when it is.
      this.#setRevision(undefined)
    }
    // Whoever leaves must not come back by this.
    if (this.#leaving.signal.aborted || this.#lease !== lease) return undefined
    try {
      const ifRevision = found?.revision ?? null
      const revision = await store.put(this.#key, value, { lease, ifRevision })
      if (this.#lease === lease) this.#register(lease, revision)
    } catch (error) {
      // Somebody was faster, or the store knows that the lease has ended and we don't.
      if (isConflict(error)) this.#dropLease(lease)
      throw error
    }
    return undefined
  }

  async #newLease(): Promise<Lease> {
    const lease = await this.#options.store.lease(this.#ttlMs)
    this.#lease = lease
    void lease.lost.then(reason => {
      if (this.#lease !== lease || this.#leaving.signal.aborted) return
      this.#log.warn({ reason }, 'the lease of this host is lost; registering again')
      this.#lease = undefined
      this.#setRevision(undefined)
      this.#wakeup.wake()
    })
    return lease
  }

  #dropLease(lease: Lease): void {
    if (this.#lease === lease) this.#lease = undefined
    this.#setRevision(undefined)
    void lease.revoke()
  }

  #register(lease: Lease, revision: string): void {
    const isNew = this.#revision === undefined
    this.#setRevision(revision)
    this.#conflict = undefined
    this.#refusals = 0
    this.#hasJoined = true
    this.#own.start()
    this.#joined.resolve()
    if (!isNew) return
    this.#log.info({ state: this.#state }, 'registered as a node')
    for (const listener of this.#listeners) listener(lease)
  }

  #setRevision(revision: string | undefined): void {
    if ((revision === undefined) !== (this.#revision === undefined)) {
      this.#sinceMs = this.#clock.now()
    }
    this.#revision = revision
  }

  /** The host that an entry belongs to, unless it is ours to replace. */
  #otherIn(value: string): NodeEntry | undefined {
    try {
      const other = parseNodeEntry(this.#key, value)
      return isRival(this.#options.node, other, this.#hasJoined) ? other : undefined
    } catch (error) {
      this.#log.warn({ err: error }, 'replacing a broken entry of this node')
      return undefined
    }
  }

  /** @returns how long to wait for it to go */
  #yieldTo(other: NodeEntry, failures: number): number {
    const { node, store } = this.#options
    const isNews = this.#conflict?.run !== other.run
    this.#setRevision(undefined)
    this.#conflict = other
    const nowMs = this.#clock.now()
    const waitMs = backoffMs(failures, CONFLICT_BACKOFF, this.#random)
    if (this.#hasJoined) {
      if (isNews) this.#log.error({ other }, describeConflict(node, other))
      return waitMs
    }
    const forMs = expiryMs(store.kind, this.#ttlMs)
    this.#giveUpAtMs ??= nowMs + forMs
    this.#own.start()
    if (nowMs >= this.#giveUpAtMs) {
      this.#joined.reject(new FezzError('INVALID_CONFIG', describeConflict(node, other)))
      this.#leaving.abort()
      void this.#own.close()
      return 0
    }
    if (isNews) {
      const message = 'the id of this node is taken; waiting whether that host is still alive'
      this.#log.warn({ other, forMs }, message)
    }
    return Math.min(waitMs, this.#giveUpAtMs - nowMs)
  }

  #fail(error: unknown, retryInMs: number): void {
    // Of an outage the watch of our entry tells, once and loud enough; but a store may be read and
    // take no writes: it is full, or its token may only read.
    const isRefused = this.#own.status.connected && ++this.#refusals === REFUSALS
    const level = isRefused ? 'warn' : 'debug'
    this.#log[level]({ err: error, retryInMs }, 'this host could not be registered; trying again')
    this.#own.start()
    // The store is there, and has perhaps just given our id to another host.
    if (isConflict(error)) return
    this.#hasJoined = true
    this.#joined.resolve()
  }

  /** The watch has told something, and perhaps of somebody else's doing. */
  #compare(): void {
    const stored = this.#own.entries.get(this.#key)
    if (this.#revision === undefined || stored?.revision !== this.#revision) this.#wakeup.wake()
  }
}

function isConflict(error: unknown): boolean {
  return error instanceof FezzError && error.code === 'CONFLICT'
}
