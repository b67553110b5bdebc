import { setImmediate } from 'node:timers/promises'
import { pause } from '../backoff.ts'
import { type Clock, systemClock } from '../clock.ts'
import { FezzError } from '../errors.ts'
import { runInSlices, SLICE_MS } from '../routing/slices.ts'
import type { Logger } from '../telemetry/logger.ts'
import { Debounce } from './debounce.ts'
import { Deployer } from './deployer.ts'
import { DesiredFunctions, type DesiredOptions } from './desired-functions.ts'
import { FUNCTIONS } from './keys.ts'
import { LossGuard } from './loss-guard.ts'
import type { EntryProblem } from './node-entry.ts'
import { Progress } from './progress.ts'
import type { ReconcilerOptions, ReconcilerStatus } from './reconciler-options.ts'
import { Replica, type ReplicaChange } from './replica.ts'
import { readSnapshot, type Snapshot } from './snapshot.ts'
import { SnapshotWriter } from './snapshot-writer.ts'
import type { Revision, StoreEvent } from './store.ts'

export type { ReconcilerOptions, ReconcilerStatus } from './reconciler-options.ts'

const MAX_PROBLEMS = 100

/** Changes that make a turn of the event loop long. */
const MANY = 1_000

/** Between two lines of the log that say that a start waits for the store. */
const REMIND_MS = 30_000

/**
 * Keeps the functions of a host as the store has them. Changes that come together are parsed in
 * slices and go to the host as one deploy of what is different; several may be on their way.
 *
 * An entry that does not parse, has no code, or fails to deploy is a problem of its own: its last
 * good version stays, everything else goes on.
 */
export class Reconciler implements AsyncDisposable {
  readonly #options: ReconcilerOptions
  readonly #clock: Clock
  readonly #log: Logger
  readonly #desired: DesiredFunctions
  readonly #progress = new Progress()
  readonly #deployer: Deployer
  readonly #writer: SnapshotWriter | undefined
  readonly #debounce: Debounce
  readonly #closing = new AbortController()
  #replica: Replica | undefined
  #guard: LossGuard | undefined
  #pending = new Map<string, StoreEvent>()
  #pendingRevision: Revision | undefined
  #notedRevision: Revision | undefined
  #pendingSinceMs = 0
  readonly #answered = new AbortController()
  /** Whether changes are applied as they come: not before the start knows where from. */
  #isOpen = false
  #isDue = false
  #isPumping = false
  #pumping: Promise<void> = Promise.resolve()
  #starting: Promise<'store' | 'snapshot'> | undefined
  #startedFrom: 'store' | 'snapshot' | undefined
  #snapshotSavedAtMs: number | undefined
  #closed: Promise<void> | undefined

  constructor(options: ReconcilerOptions) {
    const { target, log, clock = systemClock, random = Math.random, snapshotFile } = options
    this.#options = options
    this.#clock = clock
    this.#log = log
    const onLater = () => this.#tellApplied()
    this.#deployer = new Deployer({ target, log, clock, random, onLater })
    const want: DesiredOptions['want'] = (id, wanted) => this.#deployer.want(id, wanted)
    const leave: DesiredOptions['leave'] = id => this.#deployer.leave(id)
    this.#desired = new DesiredFunctions({ ...options, want, leave })
    this.#debounce = new Debounce({ clock, quietMs: 5, maxMs: 50, run: () => this.#pump() })
    if (snapshotFile === undefined) return
    const content = () => this.#snapshot()
    this.#writer = new SnapshotWriter({ file: snapshotFile, content, log, clock })
  }

  /**
   * Begins to follow the store. Resolves when the first state is in force, with where it is from:
   * the store, when it answers within `patienceMs`; else the snapshot; without one it waits for the
   * store. Idempotent.
   *
   * @throws FezzError `STORE_UNAVAILABLE` when it is closed before
   */
  start(): Promise<'store' | 'snapshot'> {
    this.#starting ??= this.#start()
    return this.#starting
  }

  status(): ReconcilerStatus {
    const { connected = false, listings, repaired = 0 } = this.#replica?.status ?? {}
    const oldestMs = this.#progress.oldestMs ?? this.#oldestPendingMs
    const problems = this.#problems()
    return {
      connected,
      revision: this.#progress.revision,
      lagMs: oldestMs === undefined ? 0 : this.#clock.now() - oldestMs,
      functions: this.#deployer.served,
      problems: firstOf(problems),
      problemCount: problems.size,
      snapshotSavedAtMs: this.#writer?.savedAtMs ?? this.#snapshotSavedAtMs,
      snapshotError: this.#writer?.lastError,
      startedFrom: this.#startedFrom,
      listings: listings ?? new Map(),
      repaired,
      suspect: this.#isSuspect,
    }
  }

  /**
   * Follows no longer and saves the snapshot; what is in force stays, and what is on its way to the
   * host is left to it. Idempotent.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#closing.abort()
    this.#debounce.cancel()
    this.#guard?.close()
    this.#deployer.close()
    await this.#replica?.close()
    await this.#pumping
    await this.#writer?.close()
  }

  async #start(): Promise<'store' | 'snapshot'> {
    const snapshot = await this.#readSnapshot()
    this.#throwIfClosed()
    if (snapshot !== undefined) {
      // The base that the first listing differs from; also the last good versions of bad entries.
      await this.#take(eventsOf(snapshot), snapshot.revision).catch(this.#rethrow)
    }
    this.#throwIfClosed()
    const { patienceMs = 2_000 } = this.#options
    this.#follow(snapshot)
    await this.#waitForStore(patienceMs)
    while (!this.#hasAnswered && snapshot === undefined) {
      this.#log.warn(
        { store: this.#options.storeLabel },
        'waiting for the store: it does not answer, and there is no snapshot to start from',
      )
      await this.#waitForStore(REMIND_MS)
    }
    const from = this.#hasAnswered ? 'store' : 'snapshot'
    if (from === 'snapshot') {
      const { savedAt, revision } = snapshot as Snapshot
      this.#log.warn(
        { savedAt, revision, store: this.#options.storeLabel },
        `the store does not answer: starting from the snapshot of ${savedAt}`,
      )
      this.#pendingRevision = revision
      this.#pendingSinceMs = this.#clock.now()
    }
    const { inForce } = await this.#applyPending()
    this.#isOpen = true
    if (this.#pendingRevision !== undefined) this.#debounce.poke()
    await Promise.race([inForce, aborted(this.#closing.signal)])
    this.#throwIfClosed()
    this.#startedFrom = from
    if (from === 'store' && snapshot === undefined) this.#writer?.changed()
    return from
  }

  get #hasAnswered(): boolean {
    return this.#answered.signal.aborted
  }

  /** @throws FezzError `STORE_UNAVAILABLE` when closed meanwhile */
  async #waitForStore(waitMs: number): Promise<void> {
    const answered = AbortSignal.any([this.#answered.signal, this.#closing.signal])
    await pause(this.#clock, waitMs, answered)
    this.#throwIfClosed()
  }

  readonly #rethrow = (error: unknown): never => {
    this.#throwIfClosed()
    throw error
  }

  #throwIfClosed(): void {
    if (!this.#closing.signal.aborted) return
    throw new FezzError('STORE_UNAVAILABLE', 'closed before the first state was in force')
  }

  #follow(snapshot: Snapshot | undefined): void {
    const { store, log, random, compareEveryMs, settleMs } = this.#options
    const replica = new Replica({
      store,
      log,
      prefix: FUNCTIONS,
      onChange: change => this.#onChange(change),
      clock: this.#clock,
      ...(snapshot && { initial: snapshot }),
      ...(random && { random }),
      ...(compareEveryMs !== undefined && { compareEveryMs }),
    })
    this.#guard = new LossGuard({
      clock: this.#clock,
      log,
      ...(settleMs !== undefined && { settleMs }),
      ...(snapshot && { revision: snapshot.revision, isSuspect: snapshot.suspect ?? false }),
      isAlive: () => replica.status.connected && replica.entries.size > 0,
      onGone: keys =>
        this.#note(
          keys.map(key => ({ key })),
          replica.status.revision ?? '0',
        ),
    })
    this.#replica = replica
    replica.start()
  }

  #onChange(change: ReplicaChange): void {
    const wasSuspect = this.#isSuspect
    this.#note((this.#guard as LossGuard).filter(change), change.revision)
    if (this.#isSuspect !== wasSuspect) this.#writer?.changed()
    this.#answered.abort()
  }

  /** Takes note of changes; they are applied soon, with those that come meanwhile. */
  #note(events: readonly StoreEvent[], revision: Revision): void {
    // Most compares find nothing.
    if (events.length === 0 && revision === this.#notedRevision) return
    this.#notedRevision = revision
    if (this.#pendingRevision === undefined) this.#pendingSinceMs = this.#clock.now()
    this.#pendingRevision = revision
    for (const event of events) this.#pending.set(event.key, event)
    if (this.#isOpen) this.#debounce.poke()
  }

  get #oldestPendingMs(): number | undefined {
    return this.#pendingRevision === undefined ? undefined : this.#pendingSinceMs
  }

  /** Applies what is pending, and what has come due when that is done. */
  #pump(): void {
    this.#isDue = true
    if (this.#isPumping) return
    this.#isPumping = true
    const pump = async () => {
      while (this.#isDue && !this.#closing.signal.aborted) {
        this.#isDue = false
        await this.#applyPending()
      }
      this.#isPumping = false
    }
    this.#pumping = pump()
  }

  /**
   * Resolves when what was pending has been sent to the host, so that what comes next is sent after
   * it. Never rejects.
   *
   * @returns `inForce` resolves when all of that is in force, or has failed
   */
  async #applyPending(): Promise<{ readonly inForce: Promise<void> }> {
    const events = [...this.#pending.values()]
    const revision = this.#pendingRevision
    if (revision === undefined) return { inForce: Promise.resolve() }
    this.#pending = new Map()
    this.#pendingRevision = undefined
    const finish = this.#progress.begin(revision, this.#pendingSinceMs)
    try {
      await this.#take(events, revision)
    } catch (error) {
      if (this.#closing.signal.aborted) return { inForce: Promise.resolve() }
      this.#log.error({ err: error, revision }, 'a change of the store could not be handled')
    }
    if (events.length > 0) this.#writer?.changed()
    // Sending this many takes some milliseconds of its own.
    if (events.length > MANY) await setImmediate()
    const inForce = this.#deployer.send().then(() => {
      finish()
      this.#tellApplied()
    })
    return { inForce }
  }

  /** @throws the reason of the abort when closed meanwhile */
  #take(events: readonly StoreEvent[], revision: Revision): Promise<void> {
    const { signal } = this.#closing
    return runInSlices(this.#desired.takeInSteps(events, revision), SLICE_MS, signal)
  }

  /** By id; of one function, what is wrong with its entry comes before what is wrong with its version. */
  #problems(): Map<string, string> {
    const problems = new Map(this.#desired.problems())
    for (const key of this.#guard?.held ?? []) problems.set(key.slice(FUNCTIONS.length), LOST)
    for (const [id, message] of this.#deployer.problems) {
      if (!problems.has(id)) problems.set(id, message)
    }
    return problems
  }

  get #isSuspect(): boolean {
    return (this.#guard?.held.size ?? 0) > 0
  }

  #tellApplied(): void {
    if (this.#closing.signal.aborted) return
    try {
      this.#options.onApplied?.()
    } catch (error) {
      this.#log.error({ err: error }, 'the status could not be told')
    }
  }

  async #readSnapshot(): Promise<Snapshot | undefined> {
    const { snapshotFile: file, storeLabel, log } = this.#options
    if (file === undefined) return undefined
    const found = await readSnapshot(file)
    if (found.kind === 'absent') return undefined
    if (found.kind === 'unusable') {
      log.warn({ file }, `the snapshot is not used: ${found.reason}; the store writes it anew`)
      return undefined
    }
    const { snapshot } = found
    if (snapshot.store !== storeLabel) {
      log.warn({ file }, `the snapshot is not used: it is of ${snapshot.store}, not ${storeLabel}`)
      return undefined
    }
    this.#snapshotSavedAtMs = Date.parse(snapshot.savedAt)
    return snapshot
  }

  #snapshot(): Snapshot {
    return {
      store: this.#options.storeLabel,
      revision: this.#desired.revision,
      savedAt: new Date().toISOString(),
      suspect: this.#isSuspect,
      entries: new Map(this.#desired.good),
    }
  }
}

const LOST = 'the store has lost it; it is served on until the store is believed again'

function firstOf(problems: ReadonlyMap<string, string>): EntryProblem[] {
  const first: EntryProblem[] = []
  for (const [id, message] of problems) if (first.push({ id, message }) === MAX_PROBLEMS) break
  return first
}

function eventsOf({ entries }: Snapshot): StoreEvent[] {
  return Array.from(entries, ([key, stored]) => ({ key, stored }))
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
}
