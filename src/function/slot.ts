import { Retries } from '../backoff.ts'
import type { Clock, Timer } from '../clock.ts'
import { FezzError } from '../errors.ts'
import type { UnloadReason } from '../telemetry/function-metrics.ts'
import type { Deployment, Instance, InstanceExit } from './contract.ts'

/** Where a function's instance is in its life. */
export type SlotState = 'Unloaded' | 'Loading' | 'Ready' | 'Unloading'

/** Times in milliseconds. */
export interface SlotLimits {
  /** `onLoad` and evaluation together. */
  readonly loadTimeoutMs: number
  readonly unloadTimeoutMs: number
  /** How long a request may wait for one of `maxConcurrency` places. */
  readonly queueTimeoutMs: number
  /** How many requests may wait for a place. */
  readonly maxQueue: number
}

/** Told of everything that happens to a slot; for metrics, log and registry. */
export interface SlotObserver {
  loaded(slot: Slot, durationMs: number): void
  loadFailed(slot: Slot, cause: unknown, retryInMs: number): void
  /** `cause` is what `onUnload` threw, if it did. */
  unloaded(slot: Slot, reason: UnloadReason, cause: unknown): void
  /** The instance has ended on its own. */
  died(slot: Slot, exit: InstanceExit): void
}

export interface SlotOptions {
  readonly deployment: Deployment
  load(deployment: Deployment): Promise<Instance>
  readonly limits: SlotLimits
  readonly clock: Clock
  readonly observer: SlotObserver
  /** Called once, when the slot is Unloaded and will not load again. */
  onRetired?(reason: UnloadReason): void
  /** In [0, 1); spreads retries. Default `Math.random`. */
  readonly random?: () => number
}

const BACKOFF = { firstMs: 100, maxMs: 30_000 } as const

interface Waiter {
  readonly grant: () => void
  readonly timer: Timer
}

/**
 * The state machine of one deployment.
 *
 *     Unloaded --acquire--> Loading --onLoad ok--> Ready --no use left--> Unloading --> Unloaded
 *                              |                     |
 *                              +--failed: Unloaded,  +--died: Unloaded, backoff
 *                                 backoff
 *
 * Whoever waits for the instance counts as a use of it, so it can't be unloaded between the end of
 * a load and the first request. A request that comes while it is Unloading waits, then loads anew:
 * two instances of one deployment never overlap. One that is kept (`minInstances`) leaves Ready only
 * by its death or for good, and after a death or a failed load is loaded again without a request.
 */
export class Slot {
  readonly deployment: Deployment
  /** Whether it stays loaded although nothing uses it. */
  readonly isKept: boolean
  readonly #load: (deployment: Deployment) => Promise<Instance>
  readonly #limits: SlotLimits
  readonly #clock: Clock
  readonly #observer: SlotObserver
  readonly #retries: Retries
  readonly #onRetired: ((reason: UnloadReason) => void) | undefined
  readonly #maxConcurrency: number

  #state: SlotState = 'Unloaded'
  #instance: Instance | undefined
  /** Settles when the current Loading or Unloading has ended; a failed load rejects it. */
  #transition: Promise<void> | undefined
  /** Requests, waiters and `waitUntil` promises that need the instance. */
  #uses = 0
  /** Requests that hold one of `maxConcurrency` places. */
  #active = 0
  readonly #queue: Waiter[] = []
  #lastUsedMs: number
  #readySinceMs = 0
  #lastError: unknown
  /** Loads a kept instance again. */
  #revival: Timer | undefined
  #retiring:
    | { readonly reason: UnloadReason; readonly done: PromiseWithResolvers<void> }
    | undefined
  #retired = false
  #expelled = false

  constructor(options: SlotOptions) {
    this.deployment = options.deployment
    this.#load = options.load
    this.#limits = options.limits
    this.#clock = options.clock
    this.#observer = options.observer
    this.#retries = new Retries(BACKOFF, options.random ?? Math.random)
    this.#onRetired = options.onRetired
    const { maxConcurrency, execution } = options.deployment.manifest
    this.isKept = (execution.minInstances ?? 0) > 0
    this.#maxConcurrency = maxConcurrency ?? Number.POSITIVE_INFINITY
    this.#lastUsedMs = options.clock.now()
  }

  get id(): string {
    return this.deployment.manifest.id
  }

  get version(): string {
    return this.deployment.manifest.version
  }

  get state(): SlotState {
    return this.#state
  }

  /** Requests being served right now. */
  get active(): number {
    return this.#active
  }

  /** Whether anything needs the instance. */
  get inUse(): boolean {
    return this.#uses > 0
  }

  /** End of the last use, on the slot's clock. */
  get lastUsedMs(): number {
    return this.#lastUsedMs
  }

  /** What the last failed load threw, until a load succeeds. */
  get lastError(): unknown {
    return this.#lastError
  }

  /** Settles when the Loading or Unloading under way has ended, rejects when a load has failed. */
  get transition(): Promise<void> {
    return this.#transition ?? Promise.resolve()
  }

  /**
   * The instance, if it is Ready and has a free place; the caller then owes a {@link release}.
   * Otherwise `undefined`: {@link acquire} waits.
   */
  tryAcquire(): Instance | undefined {
    if (this.#instance === undefined || this.#active >= this.#maxConcurrency) return undefined
    this.#uses++
    this.#active++
    return this.#instance
  }

  /**
   * The instance, loaded if need be, as soon as it has a free place; the caller then owes a
   * {@link release}.
   *
   * @throws FezzError `FUNCTION_LOAD_FAILED` or `ARTIFACT_UNAVAILABLE` when it can't be loaded or a
   *   retry is not yet due, `TOO_MANY_REQUESTS` when no place came free in time
   */
  async acquire(): Promise<Instance> {
    this.#uses++
    try {
      for (;;) {
        await this.#ready()
        if (this.#active < this.#maxConcurrency) this.#active++
        else await this.#place()
        // The instance may have died while this request waited for its turn.
        if (this.#instance !== undefined) return this.#instance
        this.#vacate()
      }
    } catch (error) {
      this.#endUse(this.#clock.now())
      throw error
    }
  }

  /** Ends a request begun by {@link tryAcquire} or {@link acquire}; `nowMs` is the clock's now. */
  release(nowMs: number): void {
    this.#vacate()
    this.#endUse(nowMs)
  }

  /** Keeps the instance loaded beyond a request; undone by {@link unhold}. */
  hold(): void {
    this.#uses++
  }

  unhold(nowMs: number): void {
    this.#endUse(nowMs)
  }

  /**
   * Loads the instance without a request.
   *
   * @throws FezzError `FUNCTION_LOAD_FAILED`, `ARTIFACT_UNAVAILABLE`
   */
  async warm(): Promise<void> {
    this.#uses++
    try {
      await this.#ready()
    } finally {
      this.#endUse(this.#clock.now())
    }
  }

  /** Unloads the instance if it is Ready, not kept, and nothing uses it; says whether it did. */
  unloadIfUnused(reason: UnloadReason): boolean {
    if (this.isKept && this.#retiring === undefined) return false
    if (this.#state !== 'Ready' || (this.#uses > 0 && !this.#expelled)) return false
    this.#transition = this.#unload(reason)
    return true
  }

  /**
   * Ends the slot: it is unloaded as soon as nothing uses it any more, and the promise resolves
   * then. Idempotent; requests that already wait are still served.
   */
  retire(reason: UnloadReason): Promise<void> {
    if (this.#retiring === undefined) {
      this.#retiring = { reason, done: Promise.withResolvers() }
      this.#revival?.cancel()
      this.#retireIfUnused()
    }
    return this.#retiring.done.promise
  }

  /**
   * Ends a retiring slot although it is in use: a process that is about to end owes `onUnload` even
   * to requests that never do.
   */
  expel(): void {
    if (this.#retiring === undefined) return
    this.#expelled = true
    this.#retireIfUnused()
  }

  /** Resolves when it is Ready; loads it if need be. The caller must count as a use. */
  async #ready(): Promise<void> {
    while (this.#state !== 'Ready') {
      if (this.#retired) throw new FezzError('DRAINING', `function "${this.id}" has been removed`)
      if (this.#state === 'Unloaded') {
        const waitMs = this.#retries.dueMs - this.#clock.now()
        if (waitMs > 0) throw this.#loadError(this.#lastError, waitMs)
        this.#transition = this.#start()
      }
      await this.#transition
    }
  }

  async #start(): Promise<void> {
    this.#state = 'Loading'
    const startedMs = this.#clock.now()
    // In a closure of its own: a load that throws at once must end like one that rejects.
    const loading = (async () => this.#load(this.deployment))()
    let instance: Instance
    try {
      instance = await this.#within(loading, this.#limits.loadTimeoutMs, 'loading')
    } catch (cause) {
      // Too late is not never: what loads after its deadline is unloaded, so onUnload still pairs
      // with onLoad.
      loading.then(late => late.unload()).catch(() => {})
      this.#state = 'Unloaded'
      const retryInMs = this.#retries.failed(this.#clock.now())
      this.#lastError = cause
      this.#observer.loadFailed(this, cause, retryInMs)
      this.#revive()
      this.#retireIfUnused()
      throw this.#loadError(cause, retryInMs)
    }
    this.#instance = instance
    this.#state = 'Ready'
    this.#lastError = undefined
    const nowMs = this.#clock.now()
    this.#readySinceMs = nowMs
    this.#lastUsedMs = nowMs
    instance.exited.then(
      exit => this.#died(instance, exit),
      cause => this.#died(instance, { reason: 'crash', cause }),
    )
    this.#observer.loaded(this, nowMs - startedMs)
    this.#retireIfUnused()
  }

  async #unload(reason: UnloadReason): Promise<void> {
    const instance = this.#instance as Instance
    this.#instance = undefined
    this.#state = 'Unloading'
    // It has lived until it was told to go: what failed before it came is over.
    this.#retries.forgive()
    let failure: unknown
    try {
      await this.#within(instance.unload(), this.#limits.unloadTimeoutMs, 'unloading')
    } catch (cause) {
      failure = cause
    }
    this.#state = 'Unloaded'
    this.#observer.unloaded(this, reason, failure)
    this.#retireIfUnused()
  }

  #died(instance: Instance, exit: InstanceExit): void {
    if (this.#instance !== instance) return
    this.#instance = undefined
    this.#state = 'Unloaded'
    this.#lastError = exit.cause ?? new Error(`the instance exited: ${exit.reason}`)
    const nowMs = this.#clock.now()
    this.#retries.failed(nowMs, nowMs - this.#readySinceMs)
    this.#observer.died(this, exit)
    this.#revive()
  }

  /** Loads a kept instance again when its next attempt is due; every failure comes back here. */
  #revive(): void {
    if (!this.isKept || this.#retiring !== undefined) return
    this.#revival?.cancel()
    this.#revival = this.#clock.setTimer(() => {
      // Timers may be early by a fraction of a millisecond, and a load before its time is refused.
      if (this.#retries.dueMs > this.#clock.now()) this.#revive()
      else this.warm().catch(() => {})
    }, this.#retries.dueMs - this.#clock.now())
  }

  /** The message of the cause is for the log only: it may name folders and addresses. */
  #loadError(cause: unknown, waitMs: number): FezzError {
    const headers = { 'retry-after': String(Math.max(1, Math.ceil(waitMs / 1000))) }
    const options = { cause, headers }
    if (cause instanceof FezzError && cause.code === 'ARTIFACT_UNAVAILABLE') {
      const message = `the code of function "${this.id}" is not available`
      return new FezzError('ARTIFACT_UNAVAILABLE', message, options)
    }
    return new FezzError(
      'FUNCTION_LOAD_FAILED',
      `function "${this.id}" could not be loaded`,
      options,
    )
  }

  /** Waits in the queue for a place handed over by {@link release}. */
  #place(): Promise<void> {
    const { maxQueue, queueTimeoutMs } = this.#limits
    if (this.#queue.length >= maxQueue) throw this.#busyError()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const timer = this.#clock.setTimer(() => {
      this.#queue.splice(this.#queue.indexOf(waiter), 1)
      reject(this.#busyError())
    }, queueTimeoutMs)
    const waiter: Waiter = { grant: resolve, timer }
    this.#queue.push(waiter)
    return promise
  }

  /** Gives up a place. It changes hands without ever being free, so nobody can overtake the queue. */
  #vacate(): void {
    const next = this.#queue.shift()
    if (next === undefined) {
      this.#active--
      return
    }
    next.timer.cancel()
    next.grant()
  }

  #busyError(): FezzError {
    return new FezzError(
      'TOO_MANY_REQUESTS',
      `function "${this.id}" serves its maximum of ${this.#maxConcurrency} requests`,
      { headers: { 'retry-after': '1' } },
    )
  }

  #endUse(nowMs: number): void {
    this.#uses--
    this.#lastUsedMs = nowMs
    if (this.#uses === 0 && this.#retiring !== undefined) this.#retireIfUnused()
  }

  #retireIfUnused(): void {
    if (this.#retiring === undefined || (this.#uses > 0 && !this.#expelled)) return
    if (this.#state === 'Ready') this.unloadIfUnused(this.#retiring.reason)
    else if (this.#state === 'Unloaded') {
      if (!this.#retired) this.#onRetired?.(this.#retiring.reason)
      this.#retired = true
      this.#retiring.done.resolve()
    }
  }

  async #within<T>(work: Promise<T>, limitMs: number, what: string): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>()
    const timer = this.#clock.setTimer(
      () => reject(new Error(`${what} "${this.id}" took longer than ${limitMs} ms`)),
      limitMs,
    )
    try {
      return await Promise.race([work, promise])
    } finally {
      timer.cancel()
    }
  }
}
