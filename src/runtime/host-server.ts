import { systemClock, type Timer } from '../clock.ts'
import { FezzError } from '../errors.ts'
import { executorKindOf, ownPortOf } from '../executors/executor-kind.ts'
import type { Deployment } from '../function/contract.ts'
import { invalidFunction } from '../function/manifest.ts'
import type { Listener, ListenerAddress } from '../http/listener.ts'
import { mapStack } from '../loader/stack.ts'
import { createLogger, type Logger } from '../telemetry/logger.ts'
import { Metrics } from '../telemetry/metrics.ts'
import type { Family } from '../telemetry/prometheus.ts'
import { version } from '../telemetry/version.ts'
import type { Cluster } from './cluster.ts'
import {
  type ConfigInput,
  type ConfigSources,
  type HhrfConfig,
  type HostConfig,
  resolveConfig,
} from './config.ts'
import type { DeploymentFailure } from './deployments.ts'
import { hostExecutors } from './executors.ts'
import { Host } from './host.ts'
import { hostListener, urlOf } from './host-listener.ts'
import { ceilingRefusal, completeDeployment } from './limits.ts'
import { onSignals, onUncaught } from './signals.ts'
import { type HostTotals, systemPaths } from './system-endpoints.ts'

export interface ServerRole {
  /** Whether it takes functions from the store and is known there as a node. Default true. */
  readonly servesFunctions?: boolean
  /** Its part among processes that serve the port together. Default: it is alone. */
  readonly worker?: WorkerRole
}

/** What a worker's host needs to know of the others. */
export interface WorkerRole {
  /** In each of its log lines, as `worker`. */
  readonly number: number
  readonly totals: HostTotals
  /** Called with functions before they are put in force. */
  onDeploy(functions: readonly DeployableFunction[]): void
  /** Called when a function is given a request and when it has answered. */
  onProgress(): void
}

const CLEAR_UP_AFTER_MS = 1_000

/** What a deployment is made of, beside the host's own variables. */
export type DeployableFunction = Pick<Deployment, 'manifest' | 'code'>

/** A host, its listener, and the life of the process around them. */
export class HostServer implements AsyncDisposable {
  readonly config: HostConfig
  readonly log: Logger
  readonly host: Host
  readonly #metrics = new Metrics(version)
  readonly #listener: Listener
  readonly #reserved: readonly string[]
  readonly #hurried = Promise.withResolvers<void>()
  readonly #role: ServerRole
  readonly #clearUp: () => Promise<void>
  #clearing: Timer | undefined
  #cluster: Cluster | undefined
  #joining: Promise<void> = Promise.resolve()
  #failure: unknown
  #guard: Disposable | undefined
  #listening: Promise<ListenerAddress> | undefined
  #closing: Promise<void> | undefined
  readonly #closed = Promise.withResolvers<void>()

  /**
   * @param config settings; what they leave open comes from `sources`, then the defaults
   * @param sources default: the environment of the process
   * @throws FezzError `INVALID_CONFIG`
   */
  constructor(
    config?: HhrfConfig | ConfigInput,
    sources: ConfigSources = { env: process.env },
    role: ServerRole = {},
  ) {
    this.#role = role
    this.config = resolveConfig(config, sources)
    const { logLevel, logFormat } = this.config
    const log = createLogger({ level: logLevel, format: logFormat, mapStack })
    this.log = role.worker === undefined ? log : log.child({ worker: role.worker.number })
    const { executors, clearUp } = hostExecutors({
      config: this.config,
      log: this.log,
      ensure: async code => this.#cluster?.ensureArtifact(code),
    })
    this.#clearUp = clearUp
    this.host = new Host({
      config: this.config,
      log: this.log,
      metrics: this.#metrics,
      executor: executors,
      totals: role.worker?.totals,
      onProgress: role.worker && (() => role.worker?.onProgress()),
    })
    this.#reserved = systemPaths(this.config)
    this.#listener = hostListener(this.config, {
      fetch: request => this.host.fetch(request),
      log: this.log,
      onRejected: code => this.#metrics.recordRejected(code),
    })
  }

  /**
   * Puts functions in force, takes others out, as one change.
   *
   * @returns those that did not take over, and why; a version before them goes on serving
   */
  async deploy(change: {
    readonly set?: readonly DeployableFunction[]
    readonly remove?: readonly string[]
  }): Promise<readonly DeploymentFailure[]> {
    this.#role.worker?.onDeploy(change.set ?? [])
    const refused: DeploymentFailure[] = []
    const set: Deployment[] = []
    for (const found of change.set ?? []) {
      const deployment = this.deploymentOf(found)
      const error = this.refusalOf(deployment)
      if (error === undefined) set.push(deployment)
      else refused.push({ id: found.manifest.id, error })
    }
    const failures = await this.host.deploy({ set, remove: change.remove ?? [] })
    return [...refused, ...failures]
  }

  /** What this process alone has counted. */
  families(): Family[] {
    return this.#metrics.families()
  }

  /** Answers a request without a socket, as the listener would. */
  fetch(request: Request): Response | Promise<Response> {
    return this.host.fetch(request)
  }

  /**
   * Opens the port; the process is left alone. With a store, the host is `starting` until it knows
   * its functions. Joined when called again.
   *
   * @throws FezzError `INVALID_CONFIG` when the address cannot be listened on
   */
  listen(): Promise<ListenerAddress> {
    this.#listening ??= this.#listen()
    return this.#listening
  }

  async #listen(): Promise<ListenerAddress> {
    const address = await this.#listener.listen().catch(cause => {
      this.#listening = undefined
      throw cannotListen(this.config, cause)
    })
    this.log.info({ ...address }, `listening on ${urlOf(this.config, address)}`)
    // Not at once: the first requests come now, and nobody waits for this.
    this.#clearing = systemClock.setTimer(() => void this.#clearUp(), CLEAR_UP_AFTER_MS)
    if (this.config.store !== undefined) {
      this.host.readiness = 'starting'
      this.#joining = this.#join(address).catch(error => this.#fail(error))
    }
    return address
  }

  async #join(address: ListenerAddress): Promise<void> {
    // Loaded here alone: a host without a store does not pay for it.
    const { Cluster } = await import('./cluster.ts')
    if (this.#closing !== undefined) return
    this.#cluster = await Cluster.join({
      config: this.config,
      log: this.log,
      host: this.host,
      metrics: this.#metrics,
      address,
      deploy: change => this.deploy(change),
      servesFunctions: this.#role.servesFunctions ?? true,
      onReadiness: readiness => {
        // Whoever has been told to go does not come back.
        if (this.#closing === undefined) this.host.readiness = readiness
      },
      onFailure: error => this.#fail(error),
    })
  }

  /** What makes the host useless ends it; {@link run} throws it. */
  #fail(error: unknown): void {
    if (this.#closing !== undefined) {
      this.log.debug({ err: error }, 'ended before it was part of its cluster')
      return
    }
    this.#failure = error
    void this.drain()
  }

  /**
   * Until the result is disposed, what a function throws where nobody can catch it is logged and does
   * not end the process. For code that loads functions before it calls {@link run}.
   */
  guard(): Disposable {
    if (this.#guard !== undefined) return { [Symbol.dispose]() {} }
    const guard = onUncaught(this.log)
    this.#guard = guard
    return {
      [Symbol.dispose]: () => {
        guard[Symbol.dispose]()
        this.#guard = undefined
      },
    }
  }

  /**
   * Serves until SIGTERM or SIGINT, then drains; a second signal ends the process at once. While it
   * runs, the process is {@link guard}ed.
   *
   * @throws FezzError `INVALID_CONFIG` when it cannot be part of its cluster
   */
  async run(): Promise<void> {
    using _signals = onSignals(this.log, () => this.drain())
    using _guard = this.guard()
    await this.listen()
    await this.#closed.promise
    if (this.#failure !== undefined) throw this.#failure
  }

  /**
   * Ends it gracefully: health fails at once, open connections finish what they have, up to
   * `drainTimeout`; then every function is unloaded. Idempotent.
   *
   * @param isReplaced another process takes over the port: health does not fail
   */
  drain(isReplaced = false): Promise<void> {
    this.#closing ??= this.#drain(isReplaced)
    return this.#closing
  }

  /** Ends it at once, also when it drains: connections are cut, functions unloaded. Idempotent. */
  close(): Promise<void> {
    this.#hurried.resolve()
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #drain(isReplaced: boolean): Promise<void> {
    const { drainDelayMs, drainTimeoutMs } = this.config
    this.log.info({ inFlight: this.host.inFlight }, 'draining')
    if (!isReplaced) this.host.readiness = 'draining'
    // Before the port closes, so that proxies that follow the store send nothing new by then.
    void this.#joining.then(() => this.#cluster?.drain())
    const timer = setTimeout(this.#hurried.resolve, drainTimeoutMs)
    await Promise.race([this.#listener.drain(drainDelayMs), this.#hurried.promise])
    await this.#close()
    clearTimeout(timer)
  }

  async #close(): Promise<void> {
    // The host's own timers keep no process alive, and an onUnload may wait for nothing else.
    const alive = setInterval(() => {}, 60_000)
    this.#clearing?.cancel()
    await this.#listener.close()
    await this.#joining
    await this.#cluster?.close().catch(err => {
      this.log.error({ err }, 'the cluster could not be left in good order')
    })
    const closed = this.host.close()
    // What outlives its connection, a `waitUntil` promise or a stuck handler, has until then.
    this.#hurried.promise.then(() => this.host.expel())
    await closed
    this.#metrics.close()
    clearInterval(alive)
    if (this.#listening !== undefined) this.log.info('closed')
    this.#closed.resolve()
  }

  #executorRefusal(deployment: Deployment): FezzError | undefined {
    try {
      // With what the host decides for it, which may be what it cannot run with.
      const complete = completeDeployment(deployment, this.config)
      executorKindOf(complete, this.config.executor)
      // Each worker loads its own.
      const port = ownPortOf(complete)
      if (this.#role.worker === undefined || port === undefined) return undefined
      return invalidFunction(
        deployment.manifest.id,
        `several workers cannot share handlerPort ${port}; have the program use PORT, or leave out workers`,
      )
    } catch (error) {
      return error as FezzError
    }
  }

  /** The deployment with the host's variables. @internal */
  protected deploymentOf({ manifest, code }: DeployableFunction): Deployment {
    return { manifest, code, env: Object.freeze({ ...this.config.env, ...manifest.env }) }
  }

  /** Why the host can't serve it, if it can't. @internal */
  protected refusalOf(deployment: Deployment): FezzError | undefined {
    const { manifest } = deployment
    const taken = manifest.routes.find(route => this.#reserved.includes(route.path))
    if (taken === undefined)
      return this.#executorRefusal(deployment) ?? ceilingRefusal(manifest, this.config)
    return invalidFunction(
      manifest.id,
      `path "${taken.path}" belongs to the host; choose another, or switch the host's own off`,
    )
  }
}

function cannotListen(config: HostConfig, cause: NodeJS.ErrnoException): FezzError {
  const { host, port, unixSocket } = config
  if (unixSocket !== '') {
    const message = `cannot listen on ${unixSocket}: ${cause.message}; it must be the path of no file, in a folder that this user may write to`
    return new FezzError('INVALID_CONFIG', message, { cause })
  }
  const reason = LISTEN_REASONS.get(cause.code ?? '') ?? cause.message
  return new FezzError('INVALID_CONFIG', `cannot listen on ${host} port ${port}: ${reason}`, {
    cause,
  })
}

const LISTEN_REASONS: ReadonlyMap<string, string> = new Map([
  ['EADDRINUSE', 'another program has taken it; choose another --port, or 0 for a free one'],
  ['EACCES', 'this user may not; choose a --port above 1023'],
  ['EADDRNOTAVAIL', 'no network interface of this machine has the address; choose another --host'],
  ['ENOTFOUND', 'the name has no address; choose another --host'],
])
