import type { Clock } from '../clock.ts'
import type { Deployment } from '../function/contract.ts'
import type { Registry } from '../function/registry.ts'
import { RouteTable } from '../routing/route-table.ts'
import { runInSlices } from '../routing/slices.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { HostedFunction } from './hosted-function.ts'
import { shadowedRoutes } from './shadowed-routes.ts'

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
  readonly metrics: Metrics
  readonly log: Logger
  readonly clock: Clock
}

/**
 * What this host serves: the route table and the functions behind it, always of one piece. A change
 * is prepared aside (instances warmed, table built) and then takes over within one turn of the event
 * loop; changes are applied one after the other.
 */
export class Deployments {
  readonly #options: DeploymentsOptions
  #functions: ReadonlyMap<string, HostedFunction> = new Map()
  #table = new RouteTable<HostedFunction>()
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: DeploymentsOptions) {
    this.#options = options
  }

  /** The routes in force. */
  get table(): RouteTable<HostedFunction> {
    return this.#table
  }

  /** The functions in force, in the order they were first deployed. */
  get functions(): ReadonlyMap<string, HostedFunction> {
    return this.#functions
  }

  /**
   * Applies `change` after those before it. Resolves when it is in force, with what failed: a new
   * version whose `onLoad` throws does not replace one that works.
   */
  apply(change: DeploymentChange): Promise<readonly DeploymentFailure[]> {
    const applied = this.#last.then(() => this.#apply(change))
    this.#last = applied.catch(() => {})
    return applied
  }

  async #apply(change: DeploymentChange): Promise<readonly DeploymentFailure[]> {
    const { registry } = this.#options
    const set = new Map(change.set?.map(deployment => [deployment.manifest.id, deployment]))
    const removed = new Set(change.remove?.filter(id => this.#functions.has(id) && !set.has(id)))
    const fresh = Array.from(set.values())
      .filter(deployment => !this.#serves(deployment))
      .map(deployment => this.#host(deployment))
    const failures = await this.#warm(fresh)
    const failed = new Set(failures.map(failure => failure.id))
    const taking = fresh.filter(hosted => !failed.has(hosted.id))

    const functions = new Map(this.#functions)
    for (const id of removed) functions.delete(id)
    for (const hosted of taking) functions.set(hosted.id, hosted)
    const table = await this.#build(functions, taking)

    this.#functions = functions
    this.#table = table
    for (const hosted of taking) registry.install(hosted.slot)
    for (const id of removed) this.#remove(id)
    await this.#reportShadowed(taking)
    return failures
  }

  /** Two functions may claim the same route; the one that nobody will reach should know. */
  async #reportShadowed(taking: readonly HostedFunction[]): Promise<void> {
    const shadowed = await runInSlices(shadowedRoutes(this.#functions.values()))
    for (const { route, hosted, by } of shadowed) {
      if (!taking.includes(hosted) && !taking.includes(by)) continue
      const { host = '', path } = route
      hosted.log.warn(`${host}${path} is answered by function "${by.id}", which was there earlier`)
    }
  }

  async #build(
    functions: ReadonlyMap<string, HostedFunction>,
    taking: readonly HostedFunction[],
  ): Promise<RouteTable<HostedFunction>> {
    try {
      return await RouteTable.build(routesOf(functions.values()), { previous: this.#table })
    } catch (error) {
      // Some are loaded already, and nobody will ever use them.
      await Promise.all(taking.map(hosted => this.#options.registry.discard(hosted.slot)))
      throw error
    }
  }

  /** Its metrics go when the last instance has: what still drains goes on counting. */
  #remove(id: string): void {
    const { registry, metrics } = this.#options
    registry.remove(id)
    const leaving = () => Array.from(registry.leaving()).filter(slot => slot.id === id)
    Promise.all(leaving().map(slot => slot.retire('removed'))).then(() => {
      // It may be back, and may even have been removed again.
      if (!this.#functions.has(id) && leaving().length === 0) metrics.removeFunction(id)
    })
  }

  #serves(deployment: Deployment): boolean {
    const slot = this.#functions.get(deployment.manifest.id)?.slot
    return slot !== undefined && sameDeployment(slot.deployment, deployment)
  }

  #host(deployment: Deployment): HostedFunction {
    const { registry, metrics, log, clock } = this.#options
    const functionId = deployment.manifest.id
    return new HostedFunction(
      registry.create(deployment),
      metrics.forFunction(functionId),
      log.child({ functionId }),
      clock,
    )
  }

  /**
   * Loads what must answer its first request warm: preloaded functions, and new versions of loaded
   * ones. A function without a version before it is installed even when it fails; its requests
   * retry it.
   */
  async #warm(fresh: readonly HostedFunction[]): Promise<DeploymentFailure[]> {
    const failures: DeploymentFailure[] = []
    await Promise.all(
      fresh.map(async hosted => {
        const before = this.#functions.get(hosted.id)
        const { preload } = hosted.slot.deployment.manifest
        if (!preload && before?.slot.state !== 'Ready') return
        try {
          await hosted.slot.warm()
        } catch (error) {
          if (before === undefined) return
          failures.push({ id: hosted.id, error })
          await this.#options.registry.discard(hosted.slot)
        }
      }),
    )
    return failures
  }
}

function* routesOf(functions: Iterable<HostedFunction>) {
  for (const target of functions) {
    for (const route of target.slot.deployment.manifest.routes) yield { ...route, target }
  }
}

/** Manifest, artifact and environment all alike. A live value is alike only to itself. */
function sameDeployment(a: Deployment, b: Deployment): boolean {
  const sameCode =
    a.code.kind === 'artifact' && b.code.kind === 'artifact'
      ? a.code.sha256 === b.code.sha256 &&
        a.code.exportName === b.code.exportName &&
        a.code.entry === b.code.entry
      : a.code.kind === 'live' &&
        b.code.kind === 'live' &&
        a.code.value === b.code.value &&
        a.code.webTypes === b.code.webTypes
  return (
    sameCode &&
    JSON.stringify(a.manifest) === JSON.stringify(b.manifest) &&
    JSON.stringify(a.env) === JSON.stringify(b.env)
  )
}
