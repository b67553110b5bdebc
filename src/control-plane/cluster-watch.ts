import { runInSlices } from '../routing/slices.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { ClusterView, FunctionView } from '../xds/view.ts'
import { parseNodeEntry } from './entry-schema.ts'
import { FunctionEntries } from './function-entries.ts'
import type { FunctionEntry } from './function-entry.ts'
import { FUNCTIONS, NODES } from './keys.ts'
import type { NodeEntry } from './node-entry.ts'
import { Replica, type ReplicaStatus } from './replica.ts'
import type { Store, StoreEvent } from './store.ts'

export interface ClusterWatchOptions {
  readonly store: Store
  readonly log: Logger
  /** Called with every change once functions and nodes are known, and never before. */
  readonly onChange: (view: ClusterView) => void
}

/** Follows nodes and functions together, for whoever directs requests to hosts. */
export class ClusterWatch implements AsyncDisposable {
  readonly #options: ClusterWatchOptions
  readonly #functions = new FunctionEntries()
  readonly #nodes = new Map<string, NodeEntry>()
  readonly #replicas: readonly [functions: Replica, nodes: Replica]
  /** Made again after a change of functions, and not for each change of a node. */
  #views: readonly FunctionView[] | undefined
  /** Changes of functions are parsed in slices, one change after the other. */
  #applied: Promise<void> = Promise.resolve()
  #isComplete = false

  constructor(options: ClusterWatchOptions) {
    const { store, log } = options
    this.#options = options
    this.#replicas = [
      new Replica({
        store,
        log,
        prefix: FUNCTIONS,
        onChange: ({ events }) => {
          this.#applied = this.#applied.then(() => this.#setFunctions(events))
        },
      }),
      new Replica({ store, log, prefix: NODES, onChange: ({ events }) => this.#setNodes(events) }),
    ]
  }

  /** Resolves when both have been listed for the first time. */
  async start(): Promise<void> {
    for (const replica of this.#replicas) replica.start()
    await Promise.all(this.#replicas.map(replica => replica.synced))
    await this.#applied
    this.#isComplete = true
    this.#tell()
  }

  get status(): { readonly functions: ReplicaStatus; readonly nodes: ReplicaStatus } {
    const [functions, nodes] = this.#replicas
    return { functions: functions.status, nodes: nodes.status }
  }

  async close(): Promise<void> {
    await Promise.all(this.#replicas.map(replica => replica.close()))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #setFunctions(events: readonly StoreEvent[]): Promise<void> {
    const changes = await runInSlices(this.#functions.applyInSteps(events))
    if (changes.length === 0) return
    this.#views = undefined
    this.#tell()
  }

  #setNodes(events: readonly StoreEvent[]): void {
    for (const { key, stored } of events) {
      if (stored === undefined) {
        this.#nodes.delete(key)
        continue
      }
      try {
        this.#nodes.set(key, parseNodeEntry(key, stored.value))
      } catch (error) {
        // The node is what it last was: what it says now cannot be understood.
        this.#options.log.warn({ err: error }, 'an entry of a node is left out')
      }
    }
    if (events.length > 0) this.#tell()
  }

  #tell(): void {
    if (!this.#isComplete) return
    this.#views ??= viewsOf(this.#functions.entries.values())
    this.#options.onChange({ nodes: [...this.#nodes.values()], functions: this.#views })
  }
}

/** In the order in which hosts look for a route. */
function viewsOf(entries: Iterable<FunctionEntry>): readonly FunctionView[] {
  const views = Array.from(entries, ({ id, manifest, placement, balance }) => ({
    id,
    routes: manifest.routes,
    timeoutMs: manifest.timeoutMs,
    placement,
    balance,
  }))
  return views.sort((a, b) => (a.id < b.id ? -1 : 1))
}
