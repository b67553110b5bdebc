import { byId } from '../by-id.ts'
import type { Clock } from '../clock.ts'
import { ownPortOf } from '../executors/executor-kind.ts'
import type { Code, Deployment } from '../function/contract.ts'
import type { Registry } from '../function/registry.ts'
import { RouteTable } from '../routing/route-table.ts'
import { runInSlices, type Steps } from '../routing/slices.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { HostedFunction } from './hosted-function.ts'
import { type CompleteDeployment, completeDeployment, type FunctionLimits } from './limits.ts'
import { RouteClaims } from './route-claims.ts'

/** What is to be different afterwards. Ids in both lists are set; of those set twice the last counts. */
export interface DeploymentChange {
  readonly set?: readonly Deployment[]
  readonly remove?: readonly string[]
}

/** A deployment that did not take over, and why; the version before it goes on serving. */
export interface DeploymentFailure {
  readonly id: string
  readonly error: unknown
}

export interface DeploymentsOptions {
  readonly registry: Registry
  readonly limits: FunctionLimits
  readonly metrics: Metrics
  readonly log: Logger
  readonly clock: Clock
}

/**
 * What this host serves: the route table and the functions behind it, always of one piece. A change
 * is prepared aside (instances warmed, table built) and then takes over within one turn of the event
 * loop. Changes of one function are applied one after the other; those of different functions do not
 * wait for each other's loads.
 */
export class Deployments {
  readonly #options: DeploymentsOptions
  readonly #functions = new Map<string, HostedFunction>()
  readonly #claims = new RouteClaims()
  #table = new RouteTable<HostedFunction>()
  /** The last change of each function that is on its way. */
  readonly #pending = new Map<string, Promise<unknown>>()
  #lastSwap: Promise<unknown> = Promise.resolve()

  constructor(options: DeploymentsOptions) {
    this.#options = options
  }

  /** The routes in force. */
  get table(): RouteTable<HostedFunction> {
    return this.#table
  }

  /**
   * The functions in force, in the order of their ids: of two that claim the same route the first
   * answers, so on every host the same one.
   */
  get functions(): ReadonlyMap<string, HostedFunction> {
    const functions = [...this.#functions.values()].sort(byId)
    return new Map(functions.map(hosted => [hosted.id, hosted]))
  }

  /**
   * Applies `change` after those before it that touch the same functions. Resolves when it is in
   * force, with what failed: a new version whose `onLoad` throws does not replace one that works.
   */
  apply(change: DeploymentChange): Promise<readonly DeploymentFailure[]> {
    const ids = new Set(change.remove)
    for (const { manifest } of change.set ?? []) ids.add(manifest.id)
    const before = new Set(Array.from(ids, id => this.#pending.get(id)))
    const applied = Promise.all(before).then(() => this.#apply(change))
    const settled = applied
      .catch(() => {})
      .then(() => {
        for (const id of ids) if (this.#pending.get(id) === settled) this.#pending.delete(id)
      })
    for (const id of ids) this.#pending.set(id, settled)
    return applied
  }

  async #apply(change: DeploymentChange): Promise<readonly DeploymentFailure[]> {
    const set = new Map(change.set?.map(deployment => [deployment.manifest.id, deployment]))
    const removed = (change.remove ?? []).filter(id => this.#functions.has(id) && !set.has(id))
    const fresh = await runInSlices(this.#hostEach(set.values()))
    const eager = fresh.filter(hosted => this.#isEager(hosted))
    const later = this.#loadedLater(eager, [...fresh.map(({ id }) => id), ...removed])
    const failures = await this.#warm(eager.filter(hosted => !later.has(hosted)))
    const failed = new Set(failures.map(failure => failure.id))
    const taking = fresh.filter(hosted => !failed.has(hosted.id))
    if (taking.length === 0 && removed.length === 0) return failures
    const swapped = this.#lastSwap.then(() => this.#swap(taking, new Set(removed)))
    this.#lastSwap = swapped.catch(() => {})
    await swapped
    // Only now can they be loaded; whoever asks for them meanwhile waits.
    for (const { slot } of later) slot.warm().catch(() => {})
    return failures
  }

  async #swap(taking: readonly HostedFunction[], removed: ReadonlySet<string>): Promise<void> {
    const ids = [...taking.map(({ id }) => id), ...removed]
    const leaving = ids.map(id => this.#functions.get(id)).filter(hosted => hosted !== undefined)
    const table = await this.#build(leaving, taking)
    this.#table = table
    for (const hosted of taking) {
      this.#functions.set(hosted.id, hosted)
      this.#options.registry.install(hosted.slot)
    }
    for (const id of removed) this.#remove(id)
    await this.#reportShadowed(leaving, taking)
  }

  /** Two functions may claim the same route; the one that nobody will reach should know. */
  async #reportShadowed(
    leaving: readonly HostedFunction[],
    taking: readonly HostedFunction[],
  ): Promise<void> {
    const shadowed = await runInSlices(this.#claims.change(leaving, taking))
    for (const { route, hosted, by } of shadowed) {
      const { host = '', path } = route
      hosted.log.warn(`${host}${path} is answered by function "${by.id}", whose id comes first`)
    }
  }

  async #build(
    leaving: readonly HostedFunction[],
    taking: readonly HostedFunction[],
  ): Promise<RouteTable<HostedFunction>> {
    try {
      const remove = leaving.flatMap(({ routes }) => routes)
      const add = taking.flatMap(({ routes }) => routes)
      return await this.#table.change({ remove, add, compare: byId })
    } catch (error) {
      // Some are loaded already, and nobody will ever use them.
      await Promise.all(taking.map(hosted => this.#options.registry.discard(hosted.slot)))
      throw error
    }
  }

  /** Its metrics go when the last instance has: what still drains goes on counting. */
  #remove(id: string): void {
    const { registry, metrics } = this.#options
    this.#functions.delete(id)
    registry.remove(id)
    const leaving = () => Array.from(registry.leaving()).filter(slot => slot.id === id)
    Promise.all(leaving().map(slot => slot.retire('removed'))).then(() => {
      // It may be back, and may even have been removed again.
      if (!this.#functions.has(id) && leaving().length === 0) metrics.removeFunction(id)
    })
  }

  *#hostEach(deployments: Iterable<Deployment>): Steps<HostedFunction[]> {
    const fresh: HostedFunction[] = []
    for (const declared of deployments) {
      const deployment = completeDeployment(declared, this.#options.limits)
      if (!this.#serves(deployment)) fresh.push(this.#host(deployment))
      yield
    }
    return fresh
  }

  #serves(deployment: Deployment): boolean {
    const slot = this.#functions.get(deployment.manifest.id)?.slot
    return slot !== undefined && sameDeployment(slot.deployment, deployment)
  }

  #host(deployment: CompleteDeployment): HostedFunction {
    const { registry, metrics, log, clock } = this.#options
    const functionId = deployment.manifest.id
    return new HostedFunction(
      registry.create(deployment),
      deployment,
      metrics.forFunction(functionId),
      log.child({ functionId }),
      clock,
    )
  }

  /**
   * Whether it must answer its first request warm, as preloaded functions, those kept loaded, and new
   * versions of loaded ones.
   */
  #isEager({ id, slot }: HostedFunction): boolean {
    const before = this.#functions.get(id)
    return slot.deployment.manifest.preload || slot.isKept || before?.slot.state === 'Ready'
  }

  /**
   * Those that cannot be loaded beside what leaves in the same change, but have to take over at once
   * for that to end: it has the port that they name.
   */
  #loadedLater(
    eager: readonly HostedFunction[],
    leaving: readonly string[],
  ): ReadonlySet<HostedFunction> {
    const taken = new Set<number | undefined>()
    for (const id of leaving) {
      const slot = this.#functions.get(id)?.slot
      if (slot !== undefined && slot.state !== 'Unloaded') taken.add(ownPortOf(slot.deployment))
    }
    taken.delete(undefined)
    return new Set(eager.filter(({ slot }) => taken.has(ownPortOf(slot.deployment))))
  }

  /**
   * Loads them. A function without a version before it is installed even when it fails; its requests
   * retry it.
   */
  async #warm(eager: readonly HostedFunction[]): Promise<DeploymentFailure[]> {
    const failures: DeploymentFailure[] = []
    await Promise.all(
      eager.map(async ({ id, slot }) => {
        try {
          await slot.warm()
        } catch (error) {
          if (!this.#functions.has(id)) return
          failures.push({ id, error })
          await this.#options.registry.discard(slot)
        }
      }),
    )
    return failures
  }
}

/** Manifest, code and environment all alike. A live value is alike only to itself. */
function sameDeployment(a: Deployment, b: Deployment): boolean {
  return (
    sameCode(a.code, b.code) &&
    JSON.stringify(a.manifest) === JSON.stringify(b.manifest) &&
    JSON.stringify(a.env) === JSON.stringify(b.env)
  )
}

function sameCode(a: Code, b: Code): boolean {
  if (a.kind === 'live' && b.kind === 'live') {
    return a.value === b.value && a.webTypes === b.webTypes
  }
  if (a.kind === 'artifact' && b.kind === 'artifact') {
    // Where it can be fetched may change, and is no other code.
    return a.sha256 === b.sha256 && a.exportName === b.exportName && a.entry === b.entry
  }
  // Before it is written out: a live value may be anything.
  return a.kind === b.kind && JSON.stringify(a) === JSON.stringify(b)
}
