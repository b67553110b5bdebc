import { type Clock, systemClock, type Timer } from '../clock.ts'
import { endpointResources } from './clusters.ts'
import type { ResourceMap, Snapshot } from './resource.ts'
import type { Routing } from './snapshot.ts'
import type { NodeView } from './view.ts'

/**
 * What a change waits for before routes follow it, at most: Envoy checks the health of a new cluster's
 * hosts before it uses it, and a host that a function moves to puts it in force.
 */
const WARM_MS = 1_000
/** Requests that were on their way to a cluster when it lost its routes are done with it by then. */
const RETIRE_MS = 5_000

export interface RolloutOptions {
  /** What is to be told has changed. */
  readonly onChange: (snapshot: Snapshot) => void
  /** Whether every client uses the clusters that it was sent. */
  readonly isWarm: () => boolean
  /** Whether every client uses the routes that it was sent, and so no cluster of those before. */
  readonly isSettled: () => boolean
  readonly clock?: Clock
}

/** A routing whose clusters are told and whose routes are not. */
interface Waiting {
  routing: Routing
  readonly timer: Timer
  /** Whether hosts that were not asked before are going to be, for functions that others serve. */
  readonly hasMoves: boolean
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
  /** Oldest first. */
  #waiting: Waiting[] = []
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

  /** @param routing made with {@link routing} as the one before */
  setRouting(routing: Routing): void {
    const isFirst = this.#target === undefined
    const hasNew = Array.from(routing.clusters.keys()).some(name => !this.#clusters.has(name))
    this.#target = routing
    this.#specs = new Map([...this.#specs, ...routing.specs])
    this.#clusters = new Map([...this.#clusters, ...routing.clusters])
    const last = this.#waiting.at(-1)
    if (!isFirst && (hasNew || routing.hasMoves)) {
      this.#wait(routing)
    } else if (last === undefined) {
      this.#switchRoutes(routing)
    } else {
      last.routing = routing
    }
  }

  /** Looks anew at what clients have said: routes need not wait for clusters that are warm. */
  proceed(): void {
    // Nobody says when hosts have what has moved to them.
    const firstMove = this.#waiting.findIndex(({ hasMoves }) => hasMoves)
    const last = this.#waiting.slice(0, firstMove === -1 ? undefined : firstMove).at(-1)
    if (last !== undefined && this.#options.isWarm()) this.#leaveWaiting(last)
  }

  /** Ends what is under way. */
  close(): void {
    for (const { timer } of this.#waiting) timer.cancel()
    this.#waiting = []
    this.#retiring?.cancel()
  }

  /** Each has a timer of its own, so that changes that go on and on do not keep the first from Envoy. */
  #wait(routing: Routing): void {
    const timer = this.#clock.setTimer(() => this.#leaveWaiting(waiting), WARM_MS)
    const waiting: Waiting = { routing, timer, hasMoves: routing.hasMoves }
    this.#waiting.push(waiting)
    this.#publish()
    this.proceed()
  }

  #leaveWaiting(waiting: Waiting): void {
    for (const { timer } of this.#waiting.splice(0, this.#waiting.indexOf(waiting) + 1)) {
      timer.cancel()
    }
    this.#switchRoutes(waiting.routing)
  }

  #switchRoutes({ routes }: Routing): void {
    this.#routes = routes
    this.#publish()
    if (this.#waiting.length > 0) return
    if (this.#clusters.size === this.#target!.clusters.size) return
    this.#retiring?.cancel()
    this.#retiring = this.#clock.setTimer(() => this.#retire(), RETIRE_MS)
  }

  #retire(): void {
    this.#retiring = undefined
    if (this.#waiting.length > 0) return
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
