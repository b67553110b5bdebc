import { type Clock, systemClock } from '../../clock.ts'
import { FezzError } from '../../errors.ts'
import type { Deployment, Instance } from '../../function/contract.ts'
import { invalidFunction } from '../../function/manifest.ts'
import type { Logger } from '../../telemetry/logger.ts'
import {
  type ArtifactDeployment,
  RemoteInstance,
  type RemoteInstanceOptions,
} from '../channel/remote-instance.ts'
import type { Executor } from '../executor.ts'
import { OutputLog } from '../output-log.ts'
import { heapProblem } from './heap-problem.ts'
import { WorkerPool } from './worker-pool.ts'
import type { WorkerThread } from './worker-thread.ts'

export interface ThreadExecutorOptions {
  /** Gets what functions log and print. */
  readonly log: Logger
  /** Default: the machine's. */
  readonly clock?: Clock
  /** Idle threads kept ready. Default 1. */
  readonly warm?: number
  /** How long `onLoad` may take; then the thread is ended. Default 30,000. */
  readonly loadTimeoutMs?: number
  /** How long `onUnload` may take; then the thread is ended. Default 10,000. */
  readonly unloadTimeoutMs?: number
  /**
   * How long after a deadline a thread may stand still, as in an endless loop, before it is ended
   * with all of its requests. Default 1,000.
   */
  readonly killGraceMs?: number
}

/**
 * Runs each instance in a thread of its own. A loop that never ends, a heap that is full and
 * `process.exit()` end that instance alone. No security boundary: threads share the process, its
 * files and its rights; memory outside of the JavaScript heap, such as Buffers, is not bounded.
 */
export class ThreadExecutor implements Executor {
  readonly kind = 'thread'
  readonly #options: RemoteInstanceOptions
  readonly #pool: WorkerPool
  readonly #loading = new Set<WorkerThread>()
  readonly #instances = new Set<Instance>()
  #closing: Promise<void> | undefined

  constructor(options: ThreadExecutorOptions) {
    const { log, clock = systemClock, warm = 1 } = options
    const { loadTimeoutMs = 30_000, unloadTimeoutMs = 10_000, killGraceMs = 1_000 } = options
    this.#options = { log, clock, loadTimeoutMs, unloadTimeoutMs, killGraceMs }
    this.#pool = new WorkerPool(warm)
  }

  /** Threads that wait for a function. */
  get idle(): number {
    return this.#pool.idle
  }

  prepare(deployment: Deployment): void {
    if (isArtifact(deployment) && heapProblem(deployment.manifest) === undefined)
      this.#pool.prepare(deployment)
  }

  async load(deployment: Deployment): Promise<Instance> {
    this.#refuseIfClosed()
    const { manifest } = deployment
    if (!isArtifact(deployment)) throw invalidFunction(manifest.id, whyForeign(deployment))
    const problem = heapProblem(manifest)
    if (problem !== undefined) throw invalidFunction(manifest.id, problem)
    const { log, clock } = this.#options
    const thread = this.#pool.take(deployment)
    thread.adopt(new OutputLog({ log, clock, functionId: manifest.id }))
    this.#loading.add(thread)
    try {
      const instance = await RemoteInstance.load(deployment, thread, this.#options)
      this.#instances.add(instance)
      void thread.ended.then(() => this.#instances.delete(instance))
      return instance
    } catch (error) {
      this.#refuseIfClosed()
      throw error
    } finally {
      this.#loading.delete(thread)
      // Not before: a thread that starts takes time from the load.
      this.#pool.refill(deployment)
    }
  }

  forget(deployment: Deployment): Promise<void> {
    return this.#pool.forget(deployment)
  }

  /** Unloads every instance, and ends the threads that load or wait. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= Promise.allSettled([
      this.#pool.close(),
      ...Array.from(this.#loading, thread => thread.kill()),
      ...Array.from(this.#instances, instance => instance.unload()),
    ]).then(() => {})
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #refuseIfClosed(): void {
    if (this.#closing !== undefined) throw new FezzError('DRAINING', 'the executor is closed')
  }
}

function isArtifact(deployment: Deployment): deployment is ArtifactDeployment {
  return deployment.code.kind === 'artifact'
}

function whyForeign({ code }: Deployment): string {
  return code.kind === 'live'
    ? 'its code is a value of this program, which cannot move to a thread; give its file instead, or write executor: "in-process"'
    : 'its code is not JavaScript that this host can evaluate; write executor: "process" or "container"'
}
