import { rm } from 'node:fs/promises'
import type { Clock } from '../../clock.ts'
import { FezzError } from '../../errors.ts'
import type { Deployment, Instance, InstanceExit } from '../../function/contract.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { RemoteInstance } from '../channel/remote-instance.ts'
import { untilReset } from '../channel/until-reset.ts'
import { HttpInstance } from '../http/http-instance.ts'
import { probe, type Sign, untilReady } from '../http/readiness.ts'
import { ChannelListener } from './channel-listener.ts'
import { ContainedInstance } from './contained-instance.ts'
import type { ContainerPlan } from './container-plan.ts'
import { ContainerRunner } from './container-runner.ts'
import type { FunctionContainer } from './function-container.ts'
import { HealthCheck } from './health-check.ts'
import type { Candidate, Reach } from './reach.ts'

const DEFAULT_HEALTH_INTERVAL_MS = 10_000

export interface AwakeningOptions {
  readonly deployment: Deployment
  readonly plan: ContainerPlan
  readonly container: FunctionContainer
  readonly reach: Reach
  readonly loadTimeoutMs: number
  readonly unloadTimeoutMs: number
  readonly killGraceMs: number
  readonly log: Logger
  readonly clock: Clock
  /** Ends it. */
  readonly signal: AbortSignal
}

/** What becomes of a container whose instance is unloaded. @param after when that has been done */
export type Rest = (after?: Promise<void>) => Promise<void>

/** How a container comes to be an instance: it runs, then what is in it is found to serve. */
export class Awakening {
  readonly deployment: Deployment
  readonly #options: AwakeningOptions
  #listener: ChannelListener | undefined

  constructor(options: AwakeningOptions) {
    this.deployment = options.deployment
    this.#options = options
  }

  /** Has the container run. @throws FezzError when the engine does not do it */
  async begin(): Promise<void> {
    const { container, signal } = this.#options
    const { folder } = container
    signal.throwIfAborted()
    if (folder !== undefined && !container.isRunning) {
      // Of its last run; it would be in the way.
      await rm(folder.socketPath, { force: true })
      if (this.deployment.code.kind === 'artifact') {
        this.#listener = await ChannelListener.open(folder.socketPath)
      }
    }
    try {
      await container.wake()
    } catch (error) {
      this.#listener?.close()
      throw error
    }
  }

  /**
   * Waits until it serves.
   *
   * @param rest called once, when the instance is unloaded
   * @throws FezzError `FUNCTION_LOAD_FAILED` when it ends before, `FUNCTION_TIMEOUT`, `DRAINING`; what
   *   `onLoad` throws
   */
  finish(rest: Rest): Promise<Instance> {
    return this.#listener === undefined ? this.#finishServer(rest) : this.#finishRunner(rest)
  }

  async #finishServer(rest: Rest): Promise<Instance> {
    const { container, clock, killGraceMs, reach } = this.#options
    const { maxOutputBytes, healthCheckIntervalMs } = this.deployment.manifest.execution
    const found = await this.#within(signal => this.#find(signal))
    container.found = found
    reach.learn(found)
    const { address } = found
    const health = new HealthCheck({
      address,
      sign: this.#signOf(found),
      intervalMs: healthCheckIntervalMs ?? DEFAULT_HEALTH_INTERVAL_MS,
      clock,
      unhealthy: failures => this.#kill(`has failed ${failures} health checks in a row`),
    })
    void container.ended.then(() => health.stop())
    let isProbing = false
    return new HttpInstance({
      address,
      clock,
      exited: container.ended,
      end: () => {
        health.stop()
        return rest()
      },
      ...(maxOutputBytes !== undefined && { maxOutputBytes }),
      overdue: async () => {
        if (isProbing) return
        isProbing = true
        const sign: Sign = { kind: 'answer' }
        const isAlive = await probe(address, { sign, limitMs: killGraceMs, clock })
        isProbing = false
        if (!isAlive) this.#kill(`gave no sign of life for ${killGraceMs} ms after a deadline`)
      },
    })
  }

  async #finishRunner(rest: Rest): Promise<Instance> {
    const { container, loadTimeoutMs, unloadTimeoutMs, killGraceMs, log, clock, signal } =
      this.#options
    const { code, manifest } = this.deployment
    const listener = this.#listener as ChannelListener
    if (code.kind !== 'artifact') throw new TypeError(`no runner takes code of kind ${code.kind}`)
    let channel: Awaited<ChannelListener['channel']>
    try {
      channel = await this.#within(() => listener.channel)
    } finally {
      listener.close()
    }
    const runner = new ContainerRunner(container, untilReset(channel), manifest.id, log, clock)
    const options = { log, clock, loadTimeoutMs, unloadTimeoutMs, killGraceMs }
    const giveUp = () => void runner.kill()
    signal.addEventListener('abort', giveUp)
    try {
      const instance = await RemoteInstance.load({ ...this.deployment, code }, runner, options)
      return new ContainedInstance(instance, container, rest)
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  /** The first place where the container is found. */
  async #find(signal: AbortSignal): Promise<Candidate> {
    const { container, plan, reach, clock } = this.#options
    const candidates = container.found
      ? [container.found]
      : reach.candidates(await container.inspect(), plan.port, container.folder?.socketPath)
    const attempts = candidates.map(async candidate => {
      await untilReady(candidate.address, { sign: this.#signOf(candidate), clock, signal })
      return candidate
    })
    if (attempts.length > 0) return Promise.any(attempts)
    // It has ended already, which is told; or this engine gives no address to anybody.
    return new Promise(() => {})
  }

  #signOf({ sign }: Candidate): Sign {
    const path = this.deployment.manifest.execution.healthCheckPath
    return path === undefined ? sign : { kind: 'health', path }
  }

  /** What `work` resolves with, unless the container ends, time is up or the executor closes. */
  async #within<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { container, plan, loadTimeoutMs, clock, signal, reach } = this.#options
    const { id } = this.deployment.manifest
    const over = new AbortController()
    const { promise: failure, reject } = Promise.withResolvers<never>()
    const onAbort = () => reject(signal.reason)
    const timer = clock.setTimer(() => {
      reach.unlearn()
      const where = plan.port === undefined ? '' : ` on port ${plan.port} (handlerPort)`
      const message = `the container of function "${id}" did not serve${where} within ${loadTimeoutMs} ms`
      reject(new FezzError('FUNCTION_TIMEOUT', message))
    }, loadTimeoutMs)
    void container.ended.then(({ cause }) => {
      const message = `the container of function "${id}" has ended before it served`
      reject(new FezzError('FUNCTION_LOAD_FAILED', message, { cause }))
    })
    signal.addEventListener('abort', onAbort)
    if (signal.aborted) onAbort()
    const working = work(over.signal)
    working.catch(() => {})
    try {
      return await Promise.race([failure, working])
    } finally {
      timer.cancel()
      signal.removeEventListener('abort', onAbort)
      over.abort()
    }
  }

  #kill(why: string): void {
    const { container, log } = this.#options
    const functionId = this.deployment.manifest.id
    const cause = new FezzError(
      'INSTANCE_EXITED',
      `the container of function "${functionId}" ${why}`,
    )
    const verdict: InstanceExit = { reason: 'killed', cause }
    container.kill(verdict).catch(err => log.warn({ functionId, err }, 'a container lives on'))
  }
}
