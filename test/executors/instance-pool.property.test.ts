import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Instance } from '../../src/function/contract.ts'
import type { Execution } from '../../src/function/execution.ts'
import { FezzResponse } from '../../src/http/web/fezz-response.ts'
import { settled } from '../helpers/fake-clock.ts'
import { type Watched, watch } from '../helpers/watch.ts'
import { type PooledInstance, type Served, setup, TIMEOUT_MS } from './pool-setup.ts'

/** One step. `pick` chooses among what there is at that moment. */
type Command =
  | { readonly do: 'request'; readonly count: number }
  | { readonly do: 'answer' | 'fail' | 'die' | 'endWait'; readonly pick: number }
  | { readonly do: 'waitUntil' | 'loaded' | 'loadFails' | 'unloaded'; readonly pick: number }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'unload' | 'settle' }

const picking = (...kinds: Command['do'][]) =>
  fc.record({ do: fc.constantFrom(...kinds), pick: fc.nat(20) }) as fc.Arbitrary<Command>

const commands = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('request' as const),
        count: fc.integer({ min: 1, max: 4 }),
      }),
    },
    { weight: 8, arbitrary: picking('answer', 'answer', 'fail') },
    { weight: 3, arbitrary: picking('waitUntil', 'endWait') },
    { weight: 3, arbitrary: picking('die') },
    { weight: 8, arbitrary: picking('loaded', 'loaded', 'loadFails', 'unloaded') },
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('advance' as const),
        ms: fc.constantFrom(0, 1, 60, 500, 1_000, 10_000, 40_000),
      }),
    },
    { weight: 12, arbitrary: fc.constant({ do: 'settle' as const }) },
    { weight: 1, arbitrary: fc.constant({ do: 'unload' as const }) },
  ),
  { maxLength: 80 },
)

const executions: fc.Arbitrary<Execution> = fc
  .record({
    instances: fc.integer({ min: 1, max: 3 }),
    minInstances: fc.integer({ min: 0, max: 3 }),
    more: fc.integer({ min: 0, max: 3 }),
    instanceConcurrency: fc.integer({ min: 1, max: 3 }),
  })
  .map(({ more, ...execution }) => ({
    ...execution,
    maxInstances: Math.max(execution.instances, execution.minInstances, 1) + more,
  }))
  .filter(({ maxInstances }) => maxInstances > 1)

interface Asked {
  readonly served: Served
  /** When it counts as a use no more, answered or not. */
  readonly untilMs: number
  over: boolean
}

interface Wait {
  readonly instance: PooledInstance
  readonly untilMs: number
  end(): void
}

/** A pool, and books about each of its instances. */
class World {
  readonly #all = setup()
  readonly #execution: Execution
  readonly #loads: PromiseWithResolvers<void>[] = []
  readonly #unloads: PromiseWithResolvers<void>[] = []
  readonly #asked: Asked[] = []
  readonly #waits: Wait[] = []
  /** Dead for long enough that the pool must know. */
  readonly #knownDead = new Set<PooledInstance>()
  readonly #broken: string[] = []
  #pool: Instance | undefined
  #exited: Watched<unknown> | undefined
  #isToldToUnload = false
  #unloading: Watched<void> | undefined

  constructor(execution: Execution) {
    this.#execution = execution
  }

  async run(commands: readonly Command[]): Promise<void> {
    this.#pool = await this.#all.load(this.#execution)
    this.#all.source.loading = () => {
      const load = Promise.withResolvers<void>()
      this.#loads.push(load)
      return load.promise
    }
    this.#all.source.unloading = instance => this.#onUnload(instance)
    this.#exited = watch(this.#pool.exited)
    for (const command of commands) {
      await this.#do(command)
      this.#check()
    }
    await this.#finish()
  }

  async #do(command: Command): Promise<void> {
    const { clock } = this.#all
    switch (command.do) {
      case 'request':
        for (let i = 0; i < command.count; i++) this.#request()
        return
      case 'answer':
        return this.#end(command.pick, ({ answer }) => answer(FezzResponse.text('ok')))
      case 'fail':
        return this.#end(command.pick, ({ fail }) => fail(new Error('thrown')))
      case 'waitUntil':
        return pick(this.#open(), command.pick, ({ served }) => this.#waitUntil(served))
      case 'endWait':
        return pick(this.#waits, command.pick, wait => wait.end())
      case 'die':
        return pick(this.#usable(), command.pick, each => {
          for (const asked of this.#asked) if (asked.served.instance === each) asked.over = true
          each.die()
        })
      case 'loaded':
        return this.#loads.shift()?.resolve()
      case 'loadFails':
        return this.#loads.shift()?.reject(new Error('onLoad threw'))
      case 'unloaded':
        return pick(this.#unloads, command.pick, unload => unload.resolve())
      case 'advance':
        await clock.advance(command.ms)
        return
      case 'unload':
        return this.#unload()
      case 'settle':
        await settled()
        for (const each of this.#all.source.instances) if (each.dead) this.#knownDead.add(each)
        if (this.#exited?.state === 'fulfilled') expect(this.#usable()).toEqual([])
    }
  }

  /** Each request is given to one instance that is there for requests, or refused. */
  #request(): void {
    const { source } = this.#all
    const before = source.instances.map(({ served }) => served.length)
    this.#all.request(this.#pool as Instance)
    const taken = source.instances.filter(({ served }, at) => served.length > (before[at] ?? 0))
    if (taken.length > 1) this.#broken.push('one request at two instances')
    for (const each of taken) {
      if (each.unloads > 0) this.#broken.push('a request at an instance that is unloaded')
      if (this.#knownDead.has(each)) this.#broken.push('a request at a dead instance')
      const untilMs = this.#all.clock.now() + TIMEOUT_MS
      this.#asked.push({ served: each.served.at(-1) as Served, untilMs, over: each.dead })
    }
  }

  #end(at: number, end: (served: Served) => void): void {
    pick(this.#open(), at, asked => {
      asked.over = true
      end(asked.served)
    })
  }

  #waitUntil({ instance, context }: Served): void {
    const { promise, resolve } = Promise.withResolvers<void>()
    const wait: Wait = {
      instance,
      untilMs: this.#all.clock.now() + TIMEOUT_MS,
      end: () => {
        this.#waits.splice(this.#waits.indexOf(wait), 1)
        resolve()
      },
    }
    this.#waits.push(wait)
    context.waitUntil(promise)
  }

  #open(): Asked[] {
    const nowMs = this.#all.clock.now()
    return this.#asked.filter(({ over, untilMs }) => !over && nowMs < untilMs)
  }

  #usable(): PooledInstance[] {
    return this.#all.source.instances.filter(each => each.isUsable)
  }

  #onUnload(instance: PooledInstance): Promise<void> {
    const nowMs = this.#all.clock.now()
    const isUsed =
      this.#open().some(({ served }) => served.instance === instance) ||
      this.#waits.some(wait => wait.instance === instance && nowMs < wait.untilMs)
    if (isUsed && !this.#isToldToUnload) this.#broken.push('unloaded while in use')
    if (this.#knownDead.has(instance)) this.#broken.push('a dead instance was unloaded')
    const unload = Promise.withResolvers<void>()
    this.#unloads.push(unload)
    return unload.promise
  }

  /** What must hold at any time. */
  #check(): void {
    expect(this.#broken).toEqual([])
    const { instances } = this.#all.source
    const { maxInstances = 1 } = this.#execution
    expect(this.#usable().length).toBeLessThanOrEqual(maxInstances)
    for (const each of instances) expect(each.unloads).toBeLessThanOrEqual(1)
  }

  #unload(): void {
    this.#isToldToUnload = true
    this.#unloading ??= watch((this.#pool as Instance).unload())
  }

  /** Lets everything end, and looks at what is left. */
  async #finish(): Promise<void> {
    const { clock, source } = this.#all
    await settled()
    // Left alone, it comes back to where it began.
    source.loading = () => Promise.resolve()
    for (let i = 0; i < 20; i++) await this.#letPass(10_000)
    const { instances = 1, minInstances = 0 } = this.#execution
    const isOver = this.#isToldToUnload || this.#exited?.state === 'fulfilled'
    expect(this.#usable()).toHaveLength(isOver ? 0 : Math.max(instances, minInstances))
    expect(clock.pending).toBe(0)

    this.#unload()
    await this.#letPass(60_000)
    expect(this.#unloading?.state).toBe('fulfilled')
    for (const { dead, unloads } of source.instances) if (!dead) expect(unloads).toBe(1)
    expect(clock.pending).toBe(0)
  }

  async #letPass(ms: number): Promise<void> {
    for (const load of this.#loads.splice(0)) load.resolve()
    while (this.#open().length > 0) this.#end(0, ({ answer }) => answer(FezzResponse.text('ok')))
    for (const wait of [...this.#waits]) wait.end()
    await settled()
    for (const unload of this.#unloads.splice(0)) unload.resolve()
    await this.#all.clock.advance(ms)
    for (const unload of this.#unloads.splice(0)) unload.resolve()
    this.#check()
  }
}

function pick<T>(among: readonly T[], index: number, act: (one: T) => void): void {
  const one = among[index % among.length]
  if (one !== undefined) act(one)
}

it('a pool stays within its bounds, asks only the living, and unloads each instance once', () =>
  fc.assert(
    fc.asyncProperty(executions, commands, (execution, commands) =>
      new World(execution).run(commands),
    ),
    { numRuns: 500 },
  ))
