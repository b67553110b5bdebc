import { describe, expect, it } from 'vitest'
import type { InstanceExit } from '../../src/function/contract.ts'
import type { Manifest } from '../../src/function/manifest.ts'
import { Registry, type RegistryOptions } from '../../src/function/registry.ts'
import type { Slot } from '../../src/function/slot.ts'
import { FakeClock, settled } from '../helpers/fake-clock.ts'
import { deploymentOf, FakeExecutor } from '../helpers/fake-instance.ts'
import { watch } from '../helpers/watch.ts'

/** Observes like a class does it: with `this`. */
class Heard {
  readonly lines: string[] = []
  loaded(slot: Slot) {
    this.lines.push(`${slot.id} ${slot.version} loaded`)
  }
  loadFailed(slot: Slot) {
    this.lines.push(`${slot.id} ${slot.version} failed`)
  }
  unloaded(slot: Slot, reason: string) {
    this.lines.push(`${slot.id} ${slot.version} ${reason}`)
  }
  died(slot: Slot, { reason }: InstanceExit) {
    this.lines.push(`${slot.id} ${slot.version} ${reason}`)
  }
}

/** A registry whose loads and unloads succeed at once, unless the executor's `automatic` is unset. */
function setup(options: Partial<RegistryOptions> = {}) {
  const clock = new FakeClock()
  const executor = new FakeExecutor({ automatic: true })
  const observer = new Heard()
  const registry = new Registry({
    load: executor.load,
    prepare: executor.prepare,
    forget: executor.forget,
    clock,
    observer,
    limits: { loadTimeoutMs: 1_000, unloadTimeoutMs: 500, queueTimeoutMs: 200, maxQueue: 10 },
    idleTtlMs: 10_000,
    maxLoaded: 0,
    heapPressure: () => false,
    random: () => 0,
    ...options,
  })
  const install = (id: string, manifest: Partial<Manifest> = {}) => {
    const slot = registry.create(deploymentOf(id, manifest))
    registry.install(slot)
    return slot
  }
  const use = async (slot: Slot) => {
    await slot.acquire()
    slot.release(clock.now())
  }
  return {
    clock,
    executor,
    registry,
    heard: observer.lines,
    install,
    use,
    /** Installs a function for each id and uses each once, a millisecond apart. */
    async installUsed(...ids: string[]) {
      const slots = ids.map(id => install(id))
      for (const slot of slots) {
        await use(slot)
        await clock.advance(1)
      }
      return slots
    },
    /** Ids of what is loaded. */
    loaded: () => [...registry.current()].flatMap(slot => (slot.state === 'Ready' ? slot.id : [])),
  }
}

describe('idle unloading', () => {
  it('comes when the function has not been used for the whole ttl', async () => {
    const { clock, install, use, heard } = setup()
    const slot = install('f')
    await use(slot)
    await clock.advance(9_999)
    expect(slot.state).toBe('Ready')
    await clock.advance(1_001)
    expect(slot.state).toBe('Unloaded')
    expect(heard).toEqual(['f v1 loaded', 'f v1 idle'])
  })

  it('counts from the end of the last use, however long that took', async () => {
    const { clock, install } = setup()
    const slot = install('f')
    await slot.acquire()
    await clock.advance(60_000)
    expect(slot.state).toBe('Ready')
    slot.release(clock.now())
    await clock.advance(9_900)
    expect(slot.state).toBe('Ready')
    await clock.advance(1_200)
    expect(slot.state).toBe('Unloaded')
  })

  it('counts from the end of a waitUntil too', async () => {
    const { clock, install } = setup()
    const slot = install('f')
    await slot.acquire()
    slot.hold()
    slot.release(clock.now())
    await clock.advance(60_000)
    slot.unhold(clock.now())
    await clock.advance(9_900)
    expect(slot.state).toBe('Ready')
    await clock.advance(1_200)
    expect(slot.state).toBe('Unloaded')
  })

  it('begins anew with each use', async () => {
    const { clock, install, use, executor } = setup()
    const slot = install('f')
    for (let i = 0; i < 10; i++) {
      await use(slot)
      await clock.advance(8_000)
    }
    expect(executor.loads).toHaveLength(1)
  })

  it('comes for what was loaded and never used', async () => {
    const { clock, install } = setup()
    const slot = install('f')
    await slot.warm()
    await clock.advance(11_000)
    expect(slot.state).toBe('Unloaded')
  })

  it('goes by the ttl of the function where it has one', async () => {
    const { clock, install, use } = setup()
    const short = install('short', { idleTtlMs: 500 })
    const byHost = install('by-host')
    const long = install('long', { idleTtlMs: 60_000 })
    for (const slot of [short, byHost, long]) await use(slot)
    const states = () => [short, byHost, long].map(slot => slot.state)
    await clock.advance(1_500)
    expect(states()).toEqual(['Unloaded', 'Ready', 'Ready'])
    await clock.advance(10_000)
    expect(states()).toEqual(['Unloaded', 'Unloaded', 'Ready'])
    await clock.advance(50_000)
    expect(states()).toEqual(['Unloaded', 'Unloaded', 'Unloaded'])
  })

  it('is not late by more than a tenth of a short ttl', async () => {
    const { clock, install, use } = setup({ idleTtlMs: 100 })
    const slot = install('f')
    await use(slot)
    await clock.advance(95)
    await use(slot)
    await clock.advance(110)
    expect(slot.state).toBe('Unloaded')
  })

  it('sweeps no more often than needed while a function with a tiny ttl is in use', async () => {
    const { clock, install, executor } = setup({ idleTtlMs: 1 })
    let sweeps = 0
    const setTimer = clock.setTimer.bind(clock)
    clock.setTimer = (callback, delayMs) => {
      sweeps++
      return setTimer(callback, delayMs)
    }
    await install('f').acquire()
    sweeps = 0
    await clock.advance(50)
    expect(sweeps).toBeLessThanOrEqual(50)
    expect(executor.instances[0]?.unloadCalls).toBe(0)
  })

  it('keeps no timer when nothing is loaded, and one when something is', async () => {
    const { clock, install, use } = setup()
    const slot = install('f')
    expect(clock.pending).toBe(0)
    for (let round = 0; round < 2; round++) {
      await use(slot)
      await use(slot)
      expect(clock.pending).toBe(1)
      await clock.advance(11_000)
      expect(slot.state).toBe('Unloaded')
      expect(clock.pending).toBe(0)
    }
  })

  it('stops its timer too when what was loaded has died or was removed', async () => {
    const { clock, registry, executor, installUsed } = setup()
    await installUsed('a', 'b')
    executor.instances[0]?.exit()
    registry.remove('b')
    await clock.advance(1_100)
    expect(clock.pending).toBe(0)
  })
})

describe('maxLoaded', () => {
  it('unloads the least recently used when one more is loaded', async () => {
    const { installUsed, use, loaded, heard, clock } = setup({ maxLoaded: 3 })
    const [a] = await installUsed('a', 'b', 'c')
    await use(a!)
    await clock.advance(1)
    await installUsed('d')
    expect(loaded()).toEqual(['a', 'c', 'd'])
    expect(heard.filter(line => line.endsWith('evicted'))).toEqual(['b v1 evicted'])
  })

  it('passes over what is in use, and takes the next', async () => {
    const { installUsed, loaded } = setup({ maxLoaded: 2 })
    const [a] = await installUsed('a', 'b')
    a?.tryAcquire()
    await installUsed('c')
    expect(loaded()).toEqual(['a', 'c'])
  })

  it('lets the number be passed while all are in use, and comes back to it', async () => {
    const { clock, installUsed, install, loaded } = setup({ maxLoaded: 1 })
    const [a] = await installUsed('a')
    a?.tryAcquire()
    const b = install('b')
    await b.acquire()
    expect(loaded()).toEqual(['a', 'b'])
    a?.release(clock.now())
    b.release(clock.now())
    await clock.advance(1_000)
    expect(loaded()).toHaveLength(1)
  })

  it('does not take the one that has just been loaded for a request', async () => {
    const { install, loaded } = setup({ maxLoaded: 1 })
    const slots = ['a', 'b', 'c'].map(id => install(id))
    await Promise.all(slots.map(slot => slot.acquire()))
    expect(loaded()).toEqual(['a', 'b', 'c'])
  })

  it('counts a slot that was warmed before it was installed', async () => {
    const { registry, installUsed, loaded } = setup({ maxLoaded: 1 })
    await installUsed('a')
    const b = registry.create(deploymentOf('b'))
    await b.warm()
    expect(loaded()).toEqual(['a'])
    registry.install(b)
    await settled()
    expect(loaded()).toEqual(['b'])
  })

  it('0 is no bound', async () => {
    const { clock, installUsed, loaded } = setup()
    await installUsed(...Array.from({ length: 200 }, (_, i) => `f${i}`))
    await clock.advance(1_000)
    expect(loaded()).toHaveLength(200)
  })
})

describe('heap pressure', () => {
  it('unloads a tenth at each sweep, least recently used first, while it lasts', async () => {
    let pressed = false
    const { clock, installUsed, loaded } = setup({ heapPressure: () => pressed })
    const ids = Array.from({ length: 20 }, (_, i) => `f${i}`)
    await installUsed(...ids)
    await clock.advance(1_000)
    expect(loaded()).toHaveLength(20)
    pressed = true
    await clock.advance(1_000)
    expect(loaded()).toEqual(ids.slice(2))
    await clock.advance(1_000)
    expect(loaded()).toEqual(ids.slice(4))
    pressed = false
    await clock.advance(1_000)
    expect(loaded()).toHaveLength(16)
  })

  it('unloads even the last one, but nothing in use', async () => {
    const { clock, installUsed, loaded } = setup({ heapPressure: () => true })
    const [a] = await installUsed('a', 'b')
    a?.tryAcquire()
    await clock.advance(3_000)
    expect(loaded()).toEqual(['a'])
    a?.release(clock.now())
    await clock.advance(1_000)
    expect(loaded()).toEqual([])
  })
})

describe('installing', () => {
  it('makes a slot the current one of its id, in the place of the one before', async () => {
    const { registry, install, installUsed } = setup()
    const [a] = await installUsed('a', 'b')
    const next = install('a', { version: 'v2' })
    expect(registry.get('a')).toBe(next)
    expect([...registry.current()].map(slot => `${slot.id} ${slot.version}`)).toEqual([
      'a v2',
      'b v1',
    ])
    expect([...registry.leaving()]).toEqual([a])
    await settled()
    expect([...registry.leaving()]).toEqual([])
    expect(a?.state).toBe('Unloaded')
  })

  it('drains the one before beside the new one', async () => {
    const { clock, registry, executor, install, heard, use } = setup()
    const before = install('f')
    await before.acquire()
    const after = registry.create(deploymentOf('f', { version: 'v2' }))
    await after.warm()
    registry.install(after)
    await use(after)
    await clock.advance(5_000)
    expect(before.state).toBe('Ready')
    expect([...registry.leaving()]).toEqual([before])
    before.release(clock.now())
    await settled()
    expect([...registry.leaving()]).toEqual([])
    expect(heard).toEqual(['f v1 loaded', 'f v2 loaded', 'f v1 replaced'])
    expect(executor.instances.map(({ unloadCalls }) => unloadCalls)).toEqual([1, 0])
  })

  it('again what is installed changes nothing', async () => {
    const { registry, installUsed, loaded } = setup()
    const [a] = await installUsed('a')
    registry.install(a!)
    await settled()
    expect(loaded()).toEqual(['a'])
  })

  it('several versions in a row drains each', async () => {
    const { clock, registry, install } = setup()
    const slots: Slot[] = []
    for (const version of ['v1', 'v2', 'v3']) {
      const slot = install('f', { version })
      await slot.acquire()
      slots.push(slot)
    }
    expect([...registry.leaving()]).toEqual(slots.slice(0, 2))
    for (const slot of slots) slot.release(clock.now())
    await settled()
    expect(slots.map(({ state }) => state)).toEqual(['Unloaded', 'Unloaded', 'Ready'])
  })

  it('does not sweep or evict what leaves', async () => {
    const { clock, registry, install, heard } = setup({ maxLoaded: 1, idleTtlMs: 100 })
    const before = install('f')
    await before.acquire()
    install('f', { version: 'v2' })
    await clock.advance(60_000)
    before.release(clock.now())
    await settled()
    expect(heard).toEqual(['f v1 loaded', 'f v1 replaced'])
    expect([...registry.leaving()]).toEqual([])
  })
})

describe('removing', () => {
  it('takes the function out at once and drains its slot', async () => {
    const { clock, registry, install, heard } = setup()
    const slot = install('f')
    await slot.acquire()
    registry.remove('f')
    expect(registry.get('f')).toBeUndefined()
    expect([...registry.leaving()]).toEqual([slot])
    slot.release(clock.now())
    await settled()
    expect([...registry.leaving()]).toEqual([])
    expect(heard).toEqual(['f v1 loaded', 'f v1 removed'])
  })

  it('what is not there is harmless', () => {
    const { registry } = setup()
    registry.remove('nothing')
    expect([...registry.leaving()]).toEqual([])
  })

  it('and installing again gives a function of its own', async () => {
    const { registry, install, installUsed, loaded } = setup()
    await installUsed('f')
    registry.remove('f')
    const again = install('f')
    await again.warm()
    expect(loaded()).toEqual(['f'])
    expect(registry.get('f')).toBe(again)
  })
})

describe('unloading everything unused', () => {
  it('ends when all of it is unloaded, and leaves the rest', async () => {
    const { registry, executor, installUsed, loaded } = setup()
    const [a] = await installUsed('a', 'b', 'c')
    a?.tryAcquire()
    executor.automatic = false
    const unloaded = watch(registry.unloadUnused())
    executor.instances[1]?.finishUnload()
    await settled()
    expect(unloaded.state).toBe('waiting')
    executor.instances[2]?.failUnload(new Error('onUnload threw'))
    await settled()
    expect(unloaded.state).toBe('fulfilled')
    expect(loaded()).toEqual(['a'])
  })
})

describe('states', () => {
  it('counts current functions, every state listed', async () => {
    const { registry, executor, install, installUsed } = setup()
    expect(registry.states()).toEqual({ Unloaded: 0, Loading: 0, Ready: 0, Unloading: 0 })
    await installUsed('a', 'b')
    executor.automatic = false
    install('c')
    watch(install('d').acquire())
    registry.get('b')?.unloadIfUnused('idle')
    expect(registry.states()).toEqual({ Unloaded: 1, Loading: 1, Ready: 1, Unloading: 1 })
  })
})

describe('closing', () => {
  it('unloads everything, leaving slots too, and is done when they are', async () => {
    const { clock, registry, executor, install, installUsed, heard } = setup()
    const before = install('f')
    await before.acquire()
    install('f', { version: 'v2' })
    await installUsed('g')
    executor.automatic = false
    const closed = watch(registry.close())
    const [leaving, current] = executor.instances
    current?.finishUnload()
    await clock.advance(100)
    expect(closed.state, 'while a leaving slot serves').toBe('waiting')
    before.release(clock.now())
    await settled()
    expect(closed.state, 'while a leaving slot unloads').toBe('waiting')
    leaving?.finishUnload()
    await settled()
    expect(closed.state).toBe('fulfilled')
    expect(heard.slice(2)).toEqual(['g v1 shutdown', 'f v1 replaced'])
    expect(executor.instances.map(({ unloadCalls }) => unloadCalls)).toEqual([1, 1])
  })

  it('waits for requests in flight for as long as they take', async () => {
    const { clock, registry, install } = setup()
    const slot = install('f')
    await slot.acquire()
    const closed = watch(registry.close())
    await clock.advance(3_600_000)
    expect(closed.state).toBe('waiting')
    slot.release(clock.now())
    await settled()
    expect(closed.state).toBe('fulfilled')
    expect(slot.state).toBe('Unloaded')
  })

  it('unloads even what is in use once it is expelled', async () => {
    const { clock, registry, executor, install } = setup()
    const [current, leaving] = [install('a'), install('b')]
    await current.acquire()
    await leaving.acquire()
    leaving.hold()
    registry.remove('b')
    const closed = watch(registry.close())
    await clock.advance(60_000)
    expect(executor.instances.map(({ unloadCalls }) => unloadCalls)).toEqual([0, 0])
    registry.expel()
    await settled()
    expect(executor.instances.map(({ unloadCalls }) => unloadCalls)).toEqual([1, 1])
    expect(closed.state).toBe('fulfilled')
  })

  it('is what expelling needs: without it, nothing current is touched', async () => {
    const { registry, install, heard } = setup()
    const slot = install('f')
    await slot.acquire()
    registry.expel()
    await settled()
    expect(slot.state).toBe('Ready')
    expect(heard).toEqual(['f v1 loaded'])
  })

  it('ends soon after it is expelled whatever the instances do', async () => {
    const { clock, registry, executor, install } = setup()
    executor.automatic = false
    const [loading, unloading, serving, dead] = ['a', 'b', 'c', 'd'].map(id => install(id))
    for (const slot of [unloading, serving, dead]) {
      watch(slot!.acquire())
      executor.last.succeed()
    }
    await settled()
    unloading!.release(clock.now())
    unloading!.unloadIfUnused('idle')
    executor.instances[2]?.exit()
    watch(loading!.acquire())
    const closed = watch(registry.close())
    registry.expel()
    await clock.advance(1_000 + 500)
    expect(closed.state).toBe('fulfilled')
    expect(registry.states()).toEqual({ Unloaded: 4, Loading: 0, Ready: 0, Unloading: 0 })
    const late = executor.last.succeed()
    await settled()
    expect(late.unloadCalls).toBe(1)
  })

  it('is one close however often it is asked for', async () => {
    const { registry, installUsed, executor } = setup()
    await installUsed('a')
    const closing = registry.close()
    expect(registry.close()).toBe(closing)
    await closing
    await registry[Symbol.asyncDispose]()
    expect(executor.instances[0]?.unloadCalls).toBe(1)
  })

  it('leaves no timer', async () => {
    const { clock, registry, installUsed } = setup()
    await installUsed('a', 'b')
    await registry.close()
    expect(clock.pending).toBe(0)
  })

  it('lets those who wait be served, and nothing load afterwards', async () => {
    const { clock, registry, executor, install, use } = setup()
    const slot = install('f')
    const waiting = watch(slot.acquire())
    const closed = watch(registry.close())
    await settled()
    expect(waiting.state).toBe('fulfilled')
    slot.release(clock.now())
    await settled()
    expect(closed.state).toBe('fulfilled')
    await expect(use(slot)).rejects.toMatchObject({ code: 'DRAINING' })
    expect(executor.loads).toHaveLength(1)
    expect(clock.pending).toBe(0)
  })

  it('ends slots that are prepared meanwhile, once they are loaded or installed', async () => {
    const { registry, executor, heard } = setup()
    executor.automatic = false
    const loading = registry.create(deploymentOf('loading'))
    const warmed = watch(loading.warm())
    const ready = registry.create(deploymentOf('ready'))
    watch(ready.warm())
    executor.last.succeed()
    await settled()
    executor.automatic = true
    const closing = registry.close()
    const closed = watch(closing)
    registry.install(ready)
    await settled()
    expect(closed.state).toBe('waiting')
    executor.loads[0]?.succeed()
    await closing
    expect(warmed.state).toBe('fulfilled')
    expect(executor.instances.map(({ unloadCalls }) => unloadCalls)).toEqual([1, 1])
    expect(heard).toContain('loading v1 shutdown')
    expect(heard).toContain('ready v1 shutdown')
  })

  it('loads nothing of what is created afterwards', async () => {
    const { registry, executor } = setup()
    await registry.close()
    const slot = registry.create(deploymentOf('late'))
    await expect(slot.warm()).rejects.toMatchObject({ code: 'DRAINING' })
    registry.install(slot)
    await expect(slot.acquire()).rejects.toMatchObject({ code: 'DRAINING' })
    expect(executor.loads).toHaveLength(0)
  })
})

describe('the source of a function', () => {
  it('is told of it when it is made, and again when it is replaced, removed or discarded', async () => {
    const { registry, executor, install, use } = setup()
    const prepared = () => executor.prepared.map(({ manifest }) => manifest.version)
    const v1 = install('f')
    await use(v1)
    expect(prepared()).toEqual(['v1'])
    install('f', { version: 'v2' })
    await settled()
    expect(prepared()).toEqual(['v2'])

    const given = registry.create(deploymentOf('f', { version: 'v3' }))
    expect(prepared()).toEqual(['v2', 'v3'])
    await Promise.all([registry.discard(given), registry.discard(given)])
    expect(prepared()).toEqual(['v2'])
    registry.remove('f')
    await settled()
    expect(prepared()).toEqual([])
  })

  it('is told only when the last use has ended', async () => {
    const { clock, registry, executor, install } = setup()
    const slot = install('f')
    await slot.acquire()
    registry.remove('f')
    await settled()
    expect(executor.prepared).toHaveLength(1)
    slot.release(clock.now())
    await settled()
    expect(executor.prepared).toHaveLength(0)
    expect(executor.instances[0]?.unloadCalls).toBe(1)
  })

  it('keeps what makes the next load fast when the host ends', async () => {
    const { registry, executor, install } = setup()
    install('f')
    await registry.close()
    expect(executor.prepared).toHaveLength(1)
    await registry.create(deploymentOf('late')).retire('shutdown')
    expect(executor.prepared).toHaveLength(1)
  })
})

describe('a function with minInstances', () => {
  const KEPT = { execution: { minInstances: 1 } }

  it('stays loaded when it is idle, and costs no sweeps', async () => {
    const { clock, install, heard } = setup()
    const slot = install('f', KEPT)
    await slot.warm()
    await clock.advance(1_000_000)
    expect(slot.state).toBe('Ready')
    expect(heard).toEqual(['f v1 loaded'])
    expect(clock.pending).toBe(0)
  })

  it('is never evicted: not for others, not for the heap, not on demand', async () => {
    const { registry, clock, install, use, loaded } = setup({
      maxLoaded: 1,
      heapPressure: () => true,
    })
    await install('kept', KEPT).warm()
    await use(install('a'))
    await use(install('b'))
    await clock.advance(5_000)
    await registry.unloadUnused()
    expect(loaded()).toEqual(['kept'])
  })

  it('is unloaded when it is replaced, removed, or at the end of the host', async () => {
    const { registry, executor, install } = setup()
    await install('f', KEPT).warm()
    await install('f', { ...KEPT, version: 'v2' }).warm()
    await settled()
    expect(executor.instances.map(({ unloadCalls }) => unloadCalls)).toEqual([1, 0])
    await install('g', KEPT).warm()
    registry.remove('g')
    await settled()
    await registry.close()
    expect(executor.instances.map(({ unloadCalls }) => unloadCalls)).toEqual([1, 1, 1])
  })
})
