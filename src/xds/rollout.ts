import { type Clock, systemClock, type Timer } from '../clock.ts'
import { endpointResources } from './clusters.ts'
import type { ResourceMap, Snapshot } from './resource.ts'
import type { Routing } from './snapshot.ts'
import type { NodeView } from './view.ts'

/** Envoy checks the health of a new cluster's hosts before it uses it: that takes a moment. */
const WARM_MS = 1_000
/** Requests that were on their way to a cluster when it lost its routes are done with it by then. */
const RETIRE_MS = 5_000

export interface RolloutOptions {
  /** What is to be told has changed. */
  readonly onChange: (snapshot: Snapshot) => void
  /** Whether every client uses the routes that it was sent, and so no cluster of those before. */
  readonly isSettled: () => boolean
  readonly clock?: Clock
}

/**
 * Brings one routing after the other to Envoy, make before break: new clusters first, routes to them
 * when they are warm, and clusters without routes go last. Endpoints change at once.
 */
export class Rollout {
  readonly #options: RolloutOptions
  readonly #clock: Clock
  #target: Routing | undefined
  /** Clusters there are now: of the target, and those of earlier ones that may still be in use. */
  #specs: Routing['specs'] = new Map()
  #clusters: ResourceMap = new Map()
  #routes: ResourceMap = new Map()
  #nodes: readonly NodeView[] = []
  #warming: Timer | undefined
  #retiring: Timer | undefined

  constructor(options: RolloutOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  get routing(): Routing | undefined {
    return this.#target
  }

  setNodes(nodes: readonly NodeView[]): void {
    this.#nodes = nodes
    if (this.#target !== undefined) this.#publish()
  }

  setRouting(routing: Routing): void {
    const isFirst = this.#target === undefined
    const hasNew = Array.from(routing.clusters.keys()).some(name => !this.#clusters.has(name))
    this.#target = routing
    this.#specs = new Map([...this.#specs, ...routing.specs])
    this.#clusters = new Map([...this.#clusters, ...routing.clusters])
    if (hasNew && !isFirst) {
      this.#warming?.cancel()
      this.#warming = this.#clock.setTimer(() => this.#switchRoutes(), WARM_MS)
      this.#publish()
    } else if (this.#warming === undefined) {
      this.#switchRoutes()
    }
  }

  /** Ends what is under way. */
  close(): void {
    this.#warming?.cancel()
    this.#retiring?.cancel()
  }

  #switchRoutes(): void {
    this.#warming = undefined
    this.#routes = this.#target!.routes
    this.#publish()
    if (this.#clusters.size === this.#target!.clusters.size) return
    this.#retiring?.cancel()
    this.#retiring = this.#clock.setTimer(() => this.#retire(), RETIRE_MS)
  }

  #retire(): void {
    this.#retiring = undefined
    if (this.#warming !== undefined) return
    if (!this.#options.isSettled()) {
      this.#retiring = this.#clock.setTimer(() => this.#retire(), RETIRE_MS)
      return
    }
    this.#specs = this.#target!.specs
    this.#clusters = this.#target!.clusters
    this.#publish()
  }

  #publish(): void {
    this.#options.onChange({
      clusters: this.#clusters,
      endpoints: endpointResources(this.#specs.values(), this.#nodes),
      listeners: this.#target!.listeners,
      routes: this.#routes,
    })
  }
}
