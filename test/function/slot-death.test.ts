import { describe, expect, it } from 'vitest'
import type { Instance } from '../../src/function/contract.ts'
import { Slot } from '../../src/function/slot.ts'
import { settled } from '../helpers/fake-clock.ts'
import { fate, LIMITS, setup } from '../helpers/slot-setup.ts'
import { watch } from '../helpers/watch.ts'

describe('death', () => {
  it('while idle: the next request loads anew, without a pause the first time', async () => {
    const { slot, executor, ready, request, heard } = setup()
    const dead = await ready()
    dead.exit({ reason: 'out-of-memory' })
    await settled()
    expect(slot.state).toBe('Unloaded')
    expect(slot.tryAcquire()).toBeUndefined()
    expect(slot.lastError).toMatchObject({ message: 'the instance exited: out-of-memory' })
    expect(heard.at(-1)).toBe('died: out-of-memory')
    const next = request()
    const instance = executor.last.succeed()
    await settled()
    expect(next.value).toBe(instance)
    expect(dead.unloadCalls).toBe(0)
  })

  it('again and again: backs off longer and longer', async () => {
    const { clock, executor, request, ready, done } = setup()
    let instance = await ready()
    for (const waitMs of [0, 100, 200, 400, 800]) {
      instance.exit()
      await settled()
      const loads = executor.loads.length
      if (waitMs > 0) {
        await clock.advance(waitMs - 1)
        const early = request()
        await clock.advance(1)
        expect(fate(early)).toBe('FUNCTION_LOAD_FAILED')
      }
      const next = request()
      expect(executor.loads, `after ${waitMs} ms`).toHaveLength(loads + 1)
      instance = executor.last.succeed()
      await settled()
      expect(next.value).toBe(instance)
      done()
    }
  })

  it('after 30 s of life starts the backoff afresh', async () => {
    const { clock, executor, ready, request, heard } = setup()
    ;(await ready()).exit()
    await settled()
    const second = await ready()
    await clock.advance(30_000)
    second.exit()
    await settled()
    request()
    expect(executor.loads).toHaveLength(3)
    // Once only: what follows counts again.
    for (const retryInMs of [100, 200, 400]) {
      executor.last.fail(new Error('x'))
      await settled()
      expect(heard.at(-1)).toBe(`failed: x, in ${retryInMs}`)
      await clock.advance(retryInMs)
      request()
    }
  })

  it('while serving: the request is released as usual, and the next one is served', async () => {
    const { slot, executor, serving, request, done } = setup()
    const dead = await serving()
    dead.exit()
    await settled()
    expect(slot.active).toBe(1)
    const next = request()
    const instance = executor.last.succeed()
    await settled()
    expect(next.value).toBe(instance)
    done()
    expect(slot.unloadIfUnused('idle')).toBe(false)
    done()
    expect(slot.unloadIfUnused('idle')).toBe(true)
    expect([dead.unloadCalls, instance.unloadCalls]).toEqual([0, 1])
  })

  it('while others queue: they get places at the next instance, in their order', async () => {
    const { slot, executor, serving, request, done } = setup({ maxConcurrency: 1 })
    const dead = await serving()
    const queued = [request(), request()]
    await settled()
    dead.exit()
    await settled()
    done()
    await settled()
    const instance = executor.last.succeed()
    await settled()
    expect(queued.map(fate)).toEqual(['fulfilled', 'waiting'])
    done()
    await settled()
    expect(queued.map(({ value }) => value)).toEqual([instance, instance])
    expect(slot.active).toBe(1)
  })

  it('between the hand-over of a place and its use: nobody gets the dead instance', async () => {
    const { executor, serving, request, done } = setup({ maxConcurrency: 1 })
    const dead = await serving()
    const queued = request()
    await settled()
    dead.exit()
    done()
    await settled()
    expect(fate(queued)).toBe('waiting')
    const instance = executor.last.succeed()
    await settled()
    expect(queued.value).toBe(instance)
  })

  it('while loading: whoever waited waits for one more load, then is refused', async () => {
    const { executor, request, slot } = setup()
    const waiting = request()
    executor.last.succeed().exit()
    await settled()
    expect(executor.loads).toHaveLength(2)
    executor.last.succeed().exit()
    await settled()
    expect(fate(waiting)).toBe('FUNCTION_LOAD_FAILED')
    expect(executor.loads).toHaveLength(2)
    expect(slot).toMatchObject({ state: 'Unloaded', active: 0, inUse: false })
  })

  it('while unloading: it ends with the unload and is told once', async () => {
    const { clock, slot, ready, heard } = setup()
    const instance = await ready()
    slot.unloadIfUnused('idle')
    instance.exit()
    await settled()
    expect(slot.state).toBe('Unloading')
    await clock.advance(500)
    expect(slot.state).toBe('Unloaded')
    expect(heard.filter(line => !line.startsWith('loaded'))).toHaveLength(1)
  })

  it('of one that was replaced by a newer load is no news', async () => {
    const { slot, executor, ready, request, heard } = setup()
    const before = await ready()
    slot.unloadIfUnused('idle')
    before.finishUnload()
    const next = request()
    await settled()
    const after = executor.last.succeed()
    await settled()
    before.exit()
    await settled()
    expect(next.value).toBe(after)
    expect(slot.state).toBe('Ready')
    expect(heard).toEqual(['loaded in 0', 'unloaded: idle', 'loaded in 0'])
  })

  it('while retiring: a request on it ends the retirement when it is released', async () => {
    const { slot, serving, done, executor } = setup()
    const instance = await serving()
    const retired = watch(slot.retire('replaced'))
    instance.exit()
    await settled()
    expect(retired.state).toBe('waiting')
    done()
    await settled()
    expect(retired.state).toBe('fulfilled')
    expect(executor.loads).toHaveLength(1)
  })

  it('told by a rejection counts as a crash', async () => {
    const { clock, slot, heard } = setup()
    const exited = Promise.withResolvers<never>()
    const instance: Instance = {
      fetch: () => new Response(),
      unload: async () => {},
      exited: exited.promise,
    }
    const other = new Slot({
      deployment: slot.deployment,
      load: async () => instance,
      limits: LIMITS,
      clock,
      observer: {
        loaded() {},
        loadFailed() {},
        unloaded() {},
        died: (_, exit) => heard.push(exit.reason),
      },
    })
    await other.warm()
    exited.reject(new Error('lost the process'))
    await settled()
    expect(other.state).toBe('Unloaded')
    expect(heard).toEqual(['crash'])
  })
})
