import { byId } from '../by-id.ts'
import { type Clock, systemClock, type Timer } from '../clock.ts'
import { runInSlices, SLICE_MS } from '../routing/slices.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { ClusterView, FunctionView } from '../xds/view.ts'
import { parseNodeEntry } from './entry-schema.ts'
import { FunctionEntries } from './function-entries.ts'
import type { FunctionEntry } from './function-entry.ts'
import { FUNCTIONS, NODES } from './keys.ts'
import { LossGuard } from './loss-guard.ts'
import type { NodeEntry } from './node-entry.ts'
import { Replica } from './replica.ts'
import type { Store, StoreEvent } from './store.ts'

export interface ClusterWatchOptions {
  readonly store: Store
  readonly log: Logger
  /** Timeout of a function that declares none. */
  readonly functionTimeoutMs: number
  /** Called with every change once functions and nodes are known, and never before. */
  readonly onChange: (view: ClusterView) => void
  /** Default: the machine's. */
  readonly clock?: Clock
  /** In [0, 1); spreads waits. Default `Math.random`. */
  readonly random?: () => number
}

/** How long a store that was away may take until its hosts are registered anew. */
const LINGER_MS = 10_000

/**
 * Follows nodes and functions together, for whoever directs requests to hosts. A node that was ready
 * and vanishes is told for another 10 s: when a store was away for longer than leases last, or has
 * lost its data, all of them vanish at once and are back at once, having served all the time. Whether
 * one has died instead is found out sooner by health checks. Functions that the store has lost are
 * told for as long as hosts serve them: see {@link LossGuard}.
 */
export class ClusterWatch implements AsyncDisposable {
  readonly #options: ClusterWatchOptions
  readonly #functions = new FunctionEntries()
  readonly #nodes = new Map<string, NodeEntry>()
  /** When those are left out that are in the store no more, by key. */
  readonly #vanished = new Map<string, Timer>()
  readonly #replicas: readonly [functions: Replica, nodes: Replica]
  readonly #guard: LossGuard
  readonly #clock: Clock
  readonly #closing = new AbortController()
  /** Both are made again after a change of what is in them, and stay the same array without one. */
  #functionViews: readonly FunctionView[] | undefined
  #nodeViews: readonly NodeEntry[] | undefined
  /** Changes of functions are parsed in slices, one change after the other. */
  #applied: Promise<void> = Promise.resolve()
  #isComplete = false

  constructor(options: ClusterWatchOptions) {
    const { store, log, clock = systemClock, random = Math.random } = options
    this.#options = options
    this.#clock = clock
    const functions = new Replica({
      store,
      log,
      clock,
      random,
      prefix: FUNCTIONS,
      onChange: change => this.#applyLater(this.#guard.filter(change)),
    })
    const nodes = new Replica({
      store,
      log,
      clock,
      random,
      prefix: NODES,
      onChange: ({ events }) => this.#setNodes(events),
    })
    this.#replicas = [functions, nodes]
    this.#guard = new LossGuard({
      clock,
      log,
      isAlive: () => functions.status.connected && functions.entries.size > 0,
      onGone: keys => this.#applyLater(keys.map(key => ({ key }))),
    })
  }

  /**
   * Resolves when both have been listed for the first time.
   *
   * @throws FezzError `STORE_UNAVAILABLE` when it is closed before
   */
  async start(): Promise<void> {
    for (const replica of this.#replicas) replica.start()
    await Promise.all(this.#replicas.map(replica => replica.synced))
    await this.#applied
    this.#isComplete = true
    this.#tell()
  }

  /** Whether the store answered when it was last asked. */
  get connected(): boolean {
    return this.#replicas.every(replica => replica.status.connected)
  }

  /** Nothing is told any more; the store stays open. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort()
    this.#guard.close()
    for (const timer of this.#vanished.values()) timer.cancel()
    await Promise.all(this.#replicas.map(replica => replica.close()))
    await this.#applied
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #applyLater(events: readonly StoreEvent[]): void {
    this.#applied = this.#applied
      .then(() => this.#setFunctions(events))
      .catch(error => this.#report(error))
  }

  async #setFunctions(events: readonly StoreEvent[]): Promise<void> {
    const { signal } = this.#closing
    const changes = await runInSlices(this.#functions.applyInSteps(events), SLICE_MS, signal)
    if (changes.length === 0) return
    this.#functionViews = undefined
    this.#tell()
  }

  #setNodes(events: readonly StoreEvent[]): void {
    for (const { key, stored } of events) {
      if (stored === undefined) {
        this.#vanish(key)
        continue
      }
      this.#vanished.get(key)?.cancel()
      this.#vanished.delete(key)
      try {
        this.#nodes.set(key, parseNodeEntry(key, stored.value))
      } catch (error) {
        // The node is what it last was: what it says now cannot be understood.
        this.#options.log.warn({ err: error }, 'an entry of a node is left out')
      }
    }
    if (events.length === 0) return
    this.#nodeViews = undefined
    this.#tell()
  }

  #vanish(key: string): void {
    // One that drains has said that it goes.
    if (this.#nodes.get(key)?.state !== 'ready') {
      this.#nodes.delete(key)
    } else if (!this.#vanished.has(key)) {
      const leave = () => {
        this.#vanished.delete(key)
        this.#nodes.delete(key)
        this.#nodeViews = undefined
        this.#tell()
      }
      this.#vanished.set(key, this.#clock.setTimer(leave, LINGER_MS))
    }
  }

  #tell(): void {
    if (!this.#isComplete || this.#closing.signal.aborted) return
    this.#functionViews ??= viewsOf(
      this.#functions.entries.values(),
      this.#options.functionTimeoutMs,
    )
    this.#nodeViews ??= [...this.#nodes.values()]
    this.#options.onChange({ nodes: this.#nodeViews, functions: this.#functionViews })
  }

  #report(error: unknown): void {
    if (this.#closing.signal.aborted) return
    this.#options.log.error({ err: error }, 'a change of the functions could not be told')
  }
}

/** In the order in which hosts look for a route. */
function viewsOf(
  entries: Iterable<FunctionEntry>,
  functionTimeoutMs: number,
): readonly FunctionView[] {
  const views = Array.from(entries, ({ id, manifest, placement, balance }) => ({
    id,
    routes: manifest.routes,
    timeoutMs: manifest.timeoutMs ?? functionTimeoutMs,
    placement,
    balance,
  }))
  return views.sort(byId)
}
