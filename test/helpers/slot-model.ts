import { expect } from 'vitest'
import type { Instance } from '../../src/function/contract.ts'
import { Slot, type SlotLimits } from '../../src/function/slot.ts'
import { FakeClock, settled } from './fake-clock.ts'
import { deploymentOf, FakeExecutor, type FakeInstance, type FakeLoad } from './fake-instance.ts'
import { type Watched, watch } from './watch.ts'

/** One step of a random run. `pick` chooses among what there is at that moment. */
export type Command =
  | { readonly do: 'acquire' | 'tryAcquire' | 'hold' | 'warm' | 'idle' | 'retire' | 'expel' }
  | { readonly do: 'release' | 'unhold' | 'loaded' | 'failed' | 'die'; readonly pick: number }
  | { readonly do: 'unloaded' | 'unloadFailed'; readonly pick: number }
  | { readonly do: 'advance'; readonly ms: number }
  /** `turn` lets one microtask run, `settle` all. Until then everything happens at once. */
  | { readonly do: 'turn' }
  | { readonly do: 'settle' }

export interface ModelOptions {
  readonly limits: SlotLimits
  readonly maxConcurrency: number | undefined
  readonly random: () => number
}

interface Acquisition {
  readonly order: number
  /** Whether it was made when nothing was about to wake up that might have come first. */
  readonly calm: boolean
  /** Whether it was made when retire() had resolved. */
  readonly afterEnd: boolean
  /** How many instances had died when it was made; a death may reorder those who queue. */
  readonly deaths: number
  state: 'waiting' | 'granted' | 'over'
  instance: Instance | undefined
}

const BACKOFF_FIRST_MS = 100
const BACKOFF_MAX_MS = 30_000

/**
 * Drives a slot and keeps books of its own about it: who waits, who was granted what, what may load
 * and when. Whatever the slot does that the books forbid is an error, at once.
 */
export class SlotModel {
  readonly clock = new FakeClock()
  readonly executor = new FakeExecutor()
  readonly slot: Slot
  readonly #options: ModelOptions
  readonly #acquisitions: Acquisition[] = []
  readonly #loadedAtMs = new Map<FakeLoad, number>()
  /** The load that the slot waits for. */
  #awaited: FakeLoad | undefined
  /** The instance that the slot may hand out: not unloading, not dead, not too late. */
  #current: FakeInstance | undefined
  readonly #warming: Watched<void>[] = []
  readonly #justGranted: Acquisition[] = []
  /** Broken rules found in callbacks, where a throw would go to the slot instead of the test. */
  readonly #broken: string[] = []
  #retired: Watched<void> | undefined
  #expelled = false
  #calm = true
  #holds = 0
  #deaths = 0
  #failures = 0
  #readySinceMs: number | undefined
  #retryNotBeforeMs = 0

  constructor(options: ModelOptions) {
    this.#options = options
    const { limits, maxConcurrency, random } = options
    this.slot = new Slot({
      deployment: deploymentOf('f', maxConcurrency === undefined ? {} : { maxConcurrency }),
      load: this.executor.load,
      limits,
      clock: this.clock,
      random,
      observer: {
        loaded: () => this.#onLoaded(),
        loadFailed: (_slot, _cause, retryInMs) => this.#onLoadFailed(retryInMs),
        unloaded() {},
        died: () => this.#onDeath(),
      },
    })
    this.executor.onLoad = load => this.#onLoad(load)
    this.executor.onUnload = instance => this.#onUnload(instance)
  }

  /** Does one step and holds the slot against the books; at once, where the step takes no time. */
  run(command: Command): Promise<void> | undefined {
    if (command.do === 'turn') return Promise.resolve()
    if (command.do === 'settle') return this.#pass(0)
    if (command.do === 'advance') return this.#pass(command.ms)
    this.#act(command)
    this.#check()
    return undefined
  }

  /** Lets loads fail, each when its retry is due. */
  async failLoads(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.#warming.push(watch(this.slot.warm()))
      this.#act({ do: 'failed', pick: 0 })
      await this.#pass(BACKOFF_MAX_MS)
    }
    expect(this.executor.loads, 'loads').toHaveLength(count)
  }

  /** Ends everything that was begun; afterwards nothing may be left. */
  async finish(): Promise<void> {
    await settled()
    for (let round = 0; this.#count('waiting') + this.#countWarming() > 0; round++) {
      expect(round, 'an acquire or warm never settles').toBeLessThan(100)
      for (const one of this.#granted()) this.#release(one)
      await this.clock.advance(this.#options.limits.loadTimeoutMs)
    }
    for (const one of this.#granted()) this.#release(one)
    while (this.#holds > 0) this.#unhold()
    this.#act({ do: 'retire' })
    await this.clock.advance(this.#options.limits.unloadTimeoutMs)
    expect(this.#retired?.state, 'retire()').toBe('fulfilled')
    this.#checkSettled()

    const loads = this.executor.loads.length
    const refused = [watch(this.slot.acquire()), watch(this.slot.warm())]
    for (const load of this.executor.loads) if (load.pending) load.succeed()
    await this.clock.advance(60_000)
    for (const { error } of refused) expect(error).toMatchObject({ code: 'DRAINING' })
    expect(this.executor.loads, 'loads after retire()').toHaveLength(loads)
    for (const instance of this.executor.instances) {
      const expected = instance.dead ? [0, 1] : [1]
      expect(expected, 'onUnload for an onLoad').toContain(instance.unloadCalls)
      instance.finishUnload()
    }
    await settled()
    expect(this.slot).toMatchObject({ state: 'Unloaded', active: 0, inUse: false })
    expect(this.slot.tryAcquire()).toBeUndefined()
    expect(this.clock.pending, 'timers left').toBe(0)
    this.#check()
  }

  #act(command: Exclude<Command, { do: 'turn' | 'settle' | 'advance' }>): void {
    const { executor, slot } = this
    if (command.do !== 'acquire') this.#calm = false
    switch (command.do) {
      case 'acquire':
        this.#acquire()
        break
      case 'tryAcquire':
        this.#tryAcquire()
        break
      case 'release':
        pick(this.#granted(), command.pick, one => this.#release(one))
        break
      case 'hold':
        this.#holds++
        slot.hold()
        break
      case 'unhold':
        if (this.#holds > 0) this.#unhold()
        break
      case 'warm':
        this.#warming.push(watch(slot.warm()))
        break
      case 'loaded':
        pick(pendingOf(executor.loads), command.pick, load => load.succeed())
        break
      case 'failed':
        pick(pendingOf(executor.loads), command.pick, load => load.fail())
        break
      case 'die':
        pick(executor.instances, command.pick, instance => instance.exit())
        break
      case 'unloaded':
        pick(unloading(executor.instances), command.pick, one => one.finishUnload())
        break
      case 'unloadFailed':
        pick(unloading(executor.instances), command.pick, one => one.failUnload('failed'))
        break
      case 'idle':
        slot.unloadIfUnused('idle')
        break
      case 'retire':
        this.#retired ??= watch(slot.retire('removed'))
        break
      case 'expel':
        this.#expelled = this.#retired !== undefined
        slot.expel()
        break
    }
  }

  async #pass(durationMs: number): Promise<void> {
    await this.clock.advance(durationMs)
    this.#calm = true
    this.#check()
    this.#checkSettled()
  }

  #acquire(): void {
    const one = this.#newAcquisition()
    this.slot.acquire().then(
      instance => this.#onGranted(one, instance),
      error => {
        one.state = 'over'
        const known = ['FUNCTION_LOAD_FAILED', 'TOO_MANY_REQUESTS', 'DRAINING']
        if (!known.includes(error?.code)) this.#broken.push(`refused with ${error}`)
        if (error?.code === 'DRAINING' && one.calm && !one.afterEnd && !this.#expelled) {
          this.#broken.push('retire() refused a request that waited already')
        }
      },
    )
  }

  #tryAcquire(): void {
    const instance = this.slot.tryAcquire()
    if (instance === undefined) return
    Object.assign(this.#newAcquisition(), { state: 'granted', instance })
    if (begunUnload(instance)) this.#broken.push('tryAcquire gave an instance that is unloaded')
  }

  #newAcquisition(): Acquisition {
    const one: Acquisition = {
      order: this.#acquisitions.length,
      calm: this.#calm,
      afterEnd: this.#retired?.state === 'fulfilled',
      deaths: this.#deaths,
      state: 'waiting',
      instance: undefined,
    }
    this.#acquisitions.push(one)
    return one
  }

  #release(one: Acquisition): void {
    one.state = 'over'
    this.slot.release(this.clock.now())
  }

  #unhold(): void {
    this.#holds--
    this.slot.unhold(this.clock.now())
  }

  #onGranted(one: Acquisition, instance: Instance): void {
    one.state = 'granted'
    one.instance = instance
    if (begunUnload(instance) && !this.#expelled) {
      this.#broken.push('acquire gave an instance whose unload had begun')
    }
    this.#justGranted.push(one)
  }

  #onLoad(load: FakeLoad): void {
    const nowMs = this.clock.now()
    if (this.#awaited !== undefined) this.#broken.push('two loads at a time')
    if (this.#current?.dead === false) this.#broken.push('a load beside a live instance')
    if (nowMs < this.#retryNotBeforeMs) this.#broken.push('a load before its retry was due')
    if (this.#retired?.state === 'fulfilled') this.#broken.push('a load after retire()')
    this.#loadedAtMs.set(load, nowMs)
    this.#awaited = load
  }

  #onLoaded(): void {
    this.#current = this.#awaited?.instance
    this.#awaited = undefined
    this.#readySinceMs = this.clock.now()
  }

  #onLoadFailed(retryInMs: number): void {
    this.#awaited = undefined
    const capMs = this.#fail(BACKOFF_FIRST_MS)
    if (retryInMs < capMs / 2 || retryInMs > capMs) {
      this.#broken.push(`retry in ${retryInMs} ms where the cap is ${capMs} ms`)
    }
    this.#retryNotBeforeMs = this.clock.now() + retryInMs
  }

  #onDeath(): void {
    if (this.#current?.dead !== true) this.#broken.push('a death that did not happen')
    this.#current = undefined
    this.#deaths++
    this.#retryNotBeforeMs = this.clock.now() + this.#fail(0) / 2
  }

  #fail(firstMs: number): number {
    const nowMs = this.clock.now()
    if (this.#readySinceMs !== undefined && nowMs - this.#readySinceMs >= BACKOFF_MAX_MS) {
      this.#failures = 0
    }
    this.#readySinceMs = undefined
    const count = this.#failures++
    return count === 0 ? firstMs : Math.min(BACKOFF_FIRST_MS * 2 ** count, BACKOFF_MAX_MS)
  }

  #onUnload(instance: FakeInstance): void {
    if (instance.unloadCalls > 1) this.#broken.push('onUnload twice')
    const startedMs = this.#loadedAtMs.get(instance.attempt) ?? 0
    const used = this.#granted().some(one => one.instance === instance)
    // A load that came too late never was the slot's instance; nobody can use it.
    if (instance !== this.#current) {
      if (this.clock.now() - startedMs < this.#options.limits.loadTimeoutMs) {
        this.#broken.push('an instance was thrown away that came in time')
      }
      if (used) this.#broken.push('a late instance was handed out')
      return
    }
    this.#current = undefined
    this.#failures = 0
    if (this.#expelled) return
    if (used) this.#broken.push('unloaded while a request uses it')
    if (this.#holds > 0) this.#broken.push('unloaded while it is held')
    if (this.slot.inUse) this.#broken.push('unloaded while it is in use')
  }

  /** Holds at any moment, also in the middle of a turn. */
  #check(): void {
    const { maxConcurrency = Number.POSITIVE_INFINITY } = this.#options
    expect(this.#broken).toEqual([])
    expect(this.#count('granted'), 'granted').toBeLessThanOrEqual(maxConcurrency)
    expect(this.slot.active, 'active').toBeLessThanOrEqual(maxConcurrency)
    expect(this.slot.active, 'active').toBeGreaterThanOrEqual(this.#count('granted'))
  }

  /** Whoever is served while one waits that came before has overtaken it. */
  #checkOrder(): void {
    for (const one of this.#justGranted.splice(0)) {
      const before = one.calm ? this.#acquisitions.slice(0, one.order) : []
      const overtaken = before.filter(
        other => other.state === 'waiting' && other.deaths === this.#deaths,
      )
      expect(overtaken, `overtaken by ${one.order}`).toEqual([])
    }
  }

  /** Holds when nothing is under way but what waits for the clock or the executor. */
  #checkSettled(): void {
    const { slot } = this
    this.#checkOrder()
    const uses = this.#count('granted') + this.#count('waiting') + this.#holds
    const warming = this.#countWarming()
    expect(slot.active, 'active').toBe(this.#count('granted'))
    expect(slot.inUse, 'in use').toBe(uses + warming > 0)
    expect(this.#current?.dead, 'dead and still there').not.toBe(true)
    expect(slot.state === 'Ready', 'Ready').toBe(this.#current !== undefined)
    expect(slot.state === 'Loading', 'Loading').toBe(this.#awaited !== undefined)
    if (slot.state === 'Unloaded') expect(warming, 'warming while Unloaded').toBe(0)
    if (slot.state === 'Ready' && this.#count('waiting') > 0) {
      const { limits, maxConcurrency } = this.#options
      expect(this.#count('waiting'), 'queue').toBeLessThanOrEqual(limits.maxQueue)
      expect(slot.active, 'active while others wait').toBe(maxConcurrency)
    }
    if (this.#retired === undefined) return
    const over = slot.state === 'Unloaded' && (uses + warming === 0 || this.#expelled)
    if (over) expect(this.#retired.state, 'retire()').toBe('fulfilled')
    if (this.#retired.state === 'fulfilled') expect(slot.state, 'retired').toBe('Unloaded')
    if (this.#expelled) expect(['Loading', 'Unloading', 'Unloaded']).toContain(slot.state)
  }

  #granted(): Acquisition[] {
    return this.#acquisitions.filter(one => one.state === 'granted')
  }

  #countWarming(): number {
    return this.#warming.filter(one => one.state === 'waiting').length
  }

  #count(state: Acquisition['state']): number {
    return this.#acquisitions.filter(one => one.state === state).length
  }
}

function pick<T>(among: readonly T[], index: number, act: (one: T) => unknown): void {
  if (among.length > 0) act(among[index % among.length] as T)
}

function pendingOf(loads: readonly FakeLoad[]): FakeLoad[] {
  return loads.filter(load => load.pending)
}

function unloading(instances: readonly FakeInstance[]): FakeInstance[] {
  return instances.filter(instance => instance.unloadCalls > 0)
}

function begunUnload(instance: Instance): boolean {
  return (instance as FakeInstance).unloadCalls > 0
}
