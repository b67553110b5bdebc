import { Retries } from '../../backoff.ts'
import type { Clock, Timer } from '../../clock.ts'
import { FezzError } from '../../errors.ts'
import type { FunctionContext, Instance, InstanceExit } from '../../function/contract.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { Member } from './member.ts'
import type { PoolBounds } from './pool-bounds.ts'

export interface InstancePoolOptions extends PoolBounds {
  load(): Promise<Instance>
  /** How long instances above `start` may go unneeded before they are unloaded. */
  readonly idleTtlMs: number
  /** See {@link Member}. */
  readonly timeoutMs: number
  /** For an instance that is added to those of the start. */
  readonly loadTimeoutMs: number
  readonly log: Logger
  readonly clock: Clock
  /** In [0, 1); spreads retries. */
  readonly random: () => number
  /** Called for each instance that dies while others live: with the last one the pool exits itself. */
  onDeath(exit: InstanceExit): void
  /** Called once, when it has no instance and will have none. */
  onEnded(): void
}

const BACKOFF = { firstMs: 100, maxMs: 30_000 } as const

/**
 * Several instances of one deployment that stand for one. A request goes to the instance with the
 * fewest; when even that one is full, one more is started, up to a bound. What was not needed for
 * the idle time goes, what has died is replaced, with backoff, while the others serve on.
 *
 * It has exited when all of its instances have died: whoever loaded it loads it anew.
 */
export class InstancePool implements Instance {
  readonly #options: InstancePoolOptions
  /** Those that take requests. */
  #members: Member[] = []
  /** Where the next search for the least loaded begins, so that equals take turns. */
  #turn = 0
  /** Most requests at once since the surplus was last looked at. */
  #peak = 0
  /** The load under way: there is one at a time. */
  #adding: Promise<void> | undefined
  /** Unloads that nobody waits for, and loads that came too late. */
  readonly #leaving = new Set<Promise<void>>()
  readonly #retries: Retries
  #retry: Timer | undefined
  #shrinking: Timer | undefined
  #isStarted = false
  #isEnded = false
  readonly #exited = Promise.withResolvers<InstanceExit>()
  #unloading: Promise<void> | undefined

  constructor(options: InstancePoolOptions) {
    this.#options = options
    this.#retries = new Retries(BACKOFF, options.random)
  }

  get exited(): Promise<InstanceExit> {
    return this.#exited.promise
  }

  /**
   * Loads what it begins with. To be called once, before anything else.
   *
   * @throws the error of the first that could not be loaded; the others have been unloaded then
   */
  async start(): Promise<void> {
    const loads = Array.from({ length: this.#options.start }, async () => {
      await this.#take(await this.#options.load())
    })
    const results = await Promise.allSettled(loads)
    this.#isStarted = true
    const failed = results.find(result => result.status === 'rejected')
    if (failed !== undefined) {
      await this.unload().catch(err => {
        this.#options.log.error({ err }, 'an instance could not be unloaded in good order')
      })
      throw failed.reason
    }
    if (this.#members.length === 0) {
      this.#end()
      throw new FezzError('INSTANCE_EXITED', 'the instances ended while they were loaded')
    }
    this.#refill()
  }

  /** @throws FezzError `INSTANCE_EXITED` when there is no instance any more */
  fetch(request: Request, context: FunctionContext): Response | Promise<Response> {
    const member = this.#leastLoaded()
    if (member === undefined) throw new FezzError('INSTANCE_EXITED', 'the instances have ended')
    if (member.uses >= this.#options.concurrency) this.#grow()
    return member.fetch(request, context)
  }

  /**
   * Unloads every instance, also one that is being loaded. Idempotent.
   *
   * @throws what the first instance threw; all have been unloaded then
   */
  unload(): Promise<void> {
    this.#unloading ??= this.#unload()
    return this.#unloading
  }

  async #unload(): Promise<void> {
    const unloads = this.#members.splice(0).map(member => unload(member.instance))
    this.#end()
    const results = await Promise.allSettled([...unloads, this.#adding, ...this.#leaving])
    const failed = results.find(result => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  #end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#retry?.cancel()
    this.#shrinking?.cancel()
    this.#options.onEnded()
  }

  #leastLoaded(): Member | undefined {
    const members = this.#members
    const first = this.#turn++ % members.length
    let least = members[first]
    let uses = 1
    for (let at = 0; at < members.length; at++) {
      const member = members[(first + at) % members.length]!
      uses += member.uses
      if (member.uses < least!.uses) least = member
    }
    if (uses > this.#peak) this.#peak = uses
    return least
  }

  #grow(): void {
    const { most, clock } = this.#options
    const held = this.#members.length + this.#leaving.size
    if (this.#adding !== undefined || held >= most || clock.now() < this.#retries.dueMs) return
    this.#adding = this.#add()
  }

  /** Replaces what has died, one by one, each when its next attempt is due. */
  #refill(): void {
    const { start, clock } = this.#options
    const isFull = this.#isEnded || this.#members.length >= start
    if (isFull || this.#adding !== undefined || this.#retry !== undefined) return
    const waitMs = this.#retries.dueMs - clock.now()
    if (waitMs <= 0) {
      this.#adding = this.#add()
      return
    }
    this.#retry = clock.setTimer(() => {
      this.#retry = undefined
      this.#refill()
    }, waitMs)
  }

  async #add(): Promise<void> {
    const { clock, log } = this.#options
    try {
      await this.#take(await this.#loadInTime())
      log.info({ instances: this.#members.length }, 'one more instance loaded')
    } catch (err) {
      const retryInMs = this.#retries.failed(clock.now())
      log.error({ instances: this.#members.length, retryInMs, err }, 'one more instance failed')
    } finally {
      this.#adding = undefined
      this.#refill()
    }
  }

  async #loadInTime(): Promise<Instance> {
    const { clock, load, loadTimeoutMs } = this.#options
    const { promise: late, reject } = Promise.withResolvers<never>()
    const loading = load()
    const timer = clock.setTimer(() => {
      void this.#letGo(loading)
      reject(new Error(`loading took longer than ${loadTimeoutMs} ms`))
    }, loadTimeoutMs)
    try {
      return await Promise.race([loading, late])
    } finally {
      timer.cancel()
    }
  }

  /** Gives `instance` requests until it dies; unloads it if it is wanted no more. */
  async #take(instance: Instance): Promise<void> {
    if (this.#isEnded) return this.#letGo(Promise.resolve(instance))
    const member = new Member({ ...this.#options, instance })
    this.#members.push(member)
    instance.exited.then(
      exit => this.#died(member, exit),
      cause => this.#died(member, { reason: 'crash', cause }),
    )
    if (this.#members.length > this.#options.start) this.#shrinkLater()
  }

  #died(member: Member, exit: InstanceExit): void {
    const at = this.#members.indexOf(member)
    if (at < 0) return
    this.#members.splice(at, 1)
    if (this.#members.length === 0 && this.#isStarted) {
      this.#end()
      this.#exited.resolve(exit)
      return
    }
    const { clock, log, onDeath } = this.#options
    const nowMs = clock.now()
    const retryInMs = this.#retries.failed(nowMs, nowMs - member.loadedMs)
    onDeath(exit)
    const { reason, cause: err } = exit
    log.error({ instances: this.#members.length, reason, retryInMs, err }, 'one instance died')
    if (this.#isStarted) this.#refill()
  }

  #shrinkLater(): void {
    const { clock, idleTtlMs } = this.#options
    this.#shrinking ??= clock.setTimer(() => this.#shrink(), idleTtlMs)
  }

  /**
   * Lets go of what the busiest moment since the last look did not need. An instance is not asked
   * how long it has been idle: requests take turns, so a few of them keep many from being so.
   */
  #shrink(): void {
    const { start, concurrency } = this.#options
    const needed = Math.max(start, Math.ceil(this.#peak / concurrency))
    const idle = this.#members.filter(member => member.uses === 0)
    const surplus = idle.slice(0, Math.max(0, this.#members.length - needed))
    this.#members = this.#members.filter(member => !surplus.includes(member))
    for (const { instance } of surplus) void this.#letGo(Promise.resolve(instance))
    this.#peak = this.#members.reduce((uses, member) => uses + member.uses, 0)
    this.#shrinking = undefined
    if (this.#members.length > start) this.#shrinkLater()
  }

  /** Unloads what nobody uses, as soon as it is there; never rejects. */
  #letGo(loading: Promise<Instance>): Promise<void> {
    const { log } = this.#options
    const leaving = loading.then(
      async instance => {
        try {
          await instance.unload()
          log.info({ instances: this.#members.length }, 'one instance unloaded')
        } catch (err) {
          log.error({ err }, 'onUnload of one instance failed; it is unloaded all the same')
        }
      },
      () => {},
    )
    this.#leaving.add(leaving)
    void leaving.then(() => this.#leaving.delete(leaving))
    return leaving
  }
}

async function unload(instance: Instance): Promise<void> {
  await instance.unload()
}
