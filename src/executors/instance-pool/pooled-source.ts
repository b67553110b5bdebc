import { type Clock, systemClock } from '../../clock.ts'
import type { Deployment, Instance, InstanceExit } from '../../function/contract.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { InstanceSource } from '../executor.ts'
import { InstancePool } from './instance-pool.ts'
import { bounds } from './pool-bounds.ts'

/** Times in milliseconds. */
export interface PooledSourceOptions {
  /** Idle time before a surplus instance goes, unless its manifest says otherwise. */
  readonly idleTtlMs: number
  /** For one more instance to load; those of the start have the time of their slot. */
  readonly loadTimeoutMs: number
  /** How long a request or a `waitUntil` counts as use, unless the manifest says otherwise. */
  readonly functionTimeoutMs: number
  /** Told of each instance of several that dies while others live. */
  onDeath?(functionId: string, exit: InstanceExit): void
  /** Its children log with the functions' ids. */
  readonly log: Logger
  /** Default: the machine's. */
  readonly clock?: Clock
  /** In [0, 1); spreads retries. Default `Math.random`. */
  readonly random?: () => number
}

/**
 * Gives a deployment that wants several instances one that stands for all of them: whoever loads,
 * calls and unloads it need not know. The others come from `source` as they are.
 */
export class PooledSource implements InstanceSource {
  readonly #source: InstanceSource
  readonly #options: PooledSourceOptions
  readonly #pools = new Set<InstancePool>()
  #closing: Promise<void> | undefined

  constructor(source: InstanceSource, options: PooledSourceOptions) {
    this.#source = source
    this.#options = options
  }

  prepare(deployment: Deployment): void {
    this.#source.prepare(deployment)
  }

  load(deployment: Deployment): Promise<Instance> {
    const { start, most } = bounds(deployment.manifest.execution)
    if (start === 1 && most === 1) return this.#source.load(deployment)
    return this.#loadPool(deployment)
  }

  forget(deployment: Deployment): Promise<void> {
    return this.#source.forget(deployment)
  }

  /** Unloads every pool and closes the source. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    // At the same time: an instance that does not end by itself is ended by its source.
    const unloading = Array.from(this.#pools, pool => pool.unload())
    await Promise.all([this.#source.close(), Promise.allSettled(unloading)])
  }

  async #loadPool(deployment: Deployment): Promise<Instance> {
    const { clock = systemClock, random = Math.random, ...options } = this.#options
    const { manifest } = deployment
    const pool = new InstancePool({
      ...bounds(manifest.execution),
      load: () => this.#source.load(deployment),
      idleTtlMs: manifest.idleTtlMs ?? options.idleTtlMs,
      timeoutMs: manifest.timeoutMs ?? options.functionTimeoutMs,
      loadTimeoutMs: options.loadTimeoutMs,
      log: options.log.child({ functionId: manifest.id, version: manifest.version }),
      clock,
      random,
      onDeath: exit => options.onDeath?.(manifest.id, exit),
      onEnded: () => this.#pools.delete(pool),
    })
    this.#pools.add(pool)
    await pool.start()
    return pool
  }
}
