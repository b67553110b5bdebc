import { describe, expect, it } from 'vitest'
import { Slot } from '../../src/function/slot.ts'
import { FakeClock, settled } from '../helpers/fake-clock.ts'
import { deploymentOf, FakeExecutor } from '../helpers/fake-instance.ts'
import { fate, LIMITS, setup } from '../helpers/slot-setup.ts'
import { watch } from '../helpers/watch.ts'

/*
 * What can happen (columns: the state it happens in), and the block of tests that holds it: loading
 * and unloading are here, the others in slot-places, slot-retirement and slot-death.
 *
 *                    Unloaded       Loading           Ready idle     Ready in use     Unloading
 *  request           loading        loading           places         places           unloading
 *  load ok / fails   -              loading           -              -                -
 *  load late / never -              loading           -              -                -
 *  unload ok / fails / slow  -      -                 -              -                unloading
 *  idle, evict       unloading      unloading         unloading      unloading        unloading
 *  retire            retiring       retiring          retiring       retiring         retiring
 *  expel             expelling      expelling         expelling      expelling        expelling
 *  death             -              death             death          death            death
 *  hold, unhold      holding        holding           holding        holding          holding
 *  warm              warming        warming           warming        -                warming
 *  queue full / timeout / handed over  -  places      -              places, death    -
 *
 * Whatever no one has thought of is left to slot.property.test.ts.
 */

describe('loading', () => {
  it('does not evaluate anything before the first request', async () => {
    const { clock, executor, slot } = setup()
    await clock.advance(60_000)
    expect(slot.state).toBe('Unloaded')
    expect(slot.tryAcquire()).toBeUndefined()
    expect(executor.loads).toHaveLength(0)
  })

  it('loads once for all who wait and gives them the same instance', async () => {
    const { executor, slot, request, heard, clock } = setup()
    const requests = Array.from({ length: 200 }, request)
    await clock.advance(40)
    expect(slot.state).toBe('Loading')
    expect(slot.tryAcquire()).toBeUndefined()
    const instance = executor.last.succeed()
    await settled()
    expect(executor.loads).toHaveLength(1)
    expect(requests.map(({ value }) => value)).toEqual(Array(200).fill(instance))
    expect(slot.active).toBe(200)
    expect(heard).toEqual(['loaded in 40'])
  })

  it('hands an instance that is ready out synchronously', async () => {
    const { slot, ready, done } = setup()
    const instance = await ready()
    expect(slot.tryAcquire()).toBe(instance)
    expect(slot.active).toBe(1)
    done()
    expect(slot.active).toBe(0)
    expect(slot.inUse).toBe(false)
  })

  it('shares a failure among all who wait, with the cause and when to come back', async () => {
    const { executor, slot, request, heard } = setup()
    const requests = Array.from({ length: 5 }, request)
    const cause = new Error('no database')
    executor.last.fail(cause)
    await settled()
    expect(requests.map(fate)).toEqual(Array(5).fill('FUNCTION_LOAD_FAILED'))
    expect(requests[3]?.error).toMatchObject({ cause, headers: { 'retry-after': '1' } })
    expect((requests[3]!.error as Error).message).not.toContain('database')
    expect(slot).toMatchObject({ state: 'Unloaded', active: 0, inUse: false, lastError: cause })
    expect(heard).toEqual(['failed: no database, in 50'])
  })

  it('treats a load that throws at once like one that rejects', async () => {
    const { executor, request, slot } = setup()
    executor.onLoad = () => {
      throw new Error('at once')
    }
    const failed = request()
    await settled()
    expect(fate(failed)).toBe('FUNCTION_LOAD_FAILED')
    expect(slot.state).toBe('Unloaded')
  })

  it('refuses requests without a load until the retry is due', async () => {
    const { clock, executor, request } = setup()
    request()
    executor.last.fail()
    await clock.advance(49)
    const early = Array.from({ length: 10 }, request)
    await settled()
    expect(early.map(fate)).toEqual(Array(10).fill('FUNCTION_LOAD_FAILED'))
    expect(executor.loads).toHaveLength(1)
    await clock.advance(1)
    const due = request()
    executor.last.succeed()
    await settled()
    expect(executor.loads).toHaveLength(2)
    expect(fate(due)).toBe('fulfilled')
  })

  it('doubles the time between retries up to 30 s and says it in Retry-After', async () => {
    const { clock, executor, request, heard } = setup()
    const after: unknown[] = []
    for (let i = 0; i < 11; i++) {
      const failed = request()
      executor.last.fail(new Error('x'))
      await settled()
      after.push((failed.error as { headers: object }).headers)
      await clock.advance(15_000)
    }
    const waits = heard.map(line => Number(line.split(' in ')[1]))
    expect(waits).toEqual([50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 15_000, 15_000])
    expect(after.at(5)).toEqual({ 'retry-after': '2' })
    expect(after.at(-1)).toEqual({ 'retry-after': '15' })
  })

  it('forgets failures of the past when the instance has lived until it was unloaded', async () => {
    const { clock, executor, request, ready, slot, heard } = setup()
    for (let i = 0; i < 8; i++) {
      request()
      executor.last.fail(new Error('x'))
      await clock.advance(15_000)
    }
    const instance = await ready()
    expect(slot.lastError).toBeUndefined()
    slot.unloadIfUnused('idle')
    instance.finishUnload()
    await clock.advance(2_000)
    request()
    executor.last.fail(new Error('once more'))
    await settled()
    expect(heard.at(-1)).toBe('failed: once more, in 50')
  })

  it('gives up a load that takes too long, and unloads what comes of it after all', async () => {
    const { clock, executor, request, slot, heard } = setup()
    const failed = request()
    await clock.advance(999)
    expect(fate(failed)).toBe('waiting')
    await clock.advance(1)
    expect(fate(failed)).toBe('FUNCTION_LOAD_FAILED')
    expect(heard).toEqual(['failed: loading "f" took longer than 1000 ms, in 50'])
    const late = executor.last.succeed()
    await settled()
    expect(late.unloadCalls).toBe(1)
    expect(slot.state).toBe('Unloaded')
    expect(slot.tryAcquire()).toBeUndefined()
  })

  it('does not take the late result of one load for that of the next', async () => {
    const { clock, executor, request, slot } = setup()
    request()
    await clock.advance(1_050)
    const second = request()
    await settled()
    const late = executor.loads[0]!.succeed()
    await settled()
    expect(slot.state).toBe('Loading')
    expect(late.unloadCalls).toBe(1)
    const instance = executor.loads[1]!.succeed()
    late.exit()
    late.failUnload(new Error('late and bad'))
    await settled()
    expect(second.value).toBe(instance)
    expect(slot.state).toBe('Ready')
  })

  it('lives with a load that fails too late', async () => {
    const { clock, executor, request, heard } = setup()
    request()
    await clock.advance(1_000)
    executor.last.fail(new Error('too late to matter'))
    await settled()
    expect(heard).toHaveLength(1)
  })

  it('leaves no timer behind when a load ends in time', async () => {
    const { clock, ready } = setup()
    await ready()
    expect(clock.pending).toBe(0)
  })

  it('keeps a ready instance consistent when an observer throws', async () => {
    const clock = new FakeClock()
    const executor = new FakeExecutor()
    const observer = {
      loaded() {
        throw new Error('observer')
      },
      loadFailed() {},
      unloaded() {},
      died() {},
    }
    const deployment = deploymentOf()
    const slot = new Slot({ deployment, load: executor.load, limits: LIMITS, clock, observer })
    watch(slot.acquire())
    const instance = executor.last.succeed()
    await settled()
    expect(instance.unloadCalls).toBe(0)
    expect(slot.state).toBe('Ready')
    expect(slot.tryAcquire()).toBe(instance)
  })
})

describe('unloading', () => {
  it('unloads what is ready and unused, for the reason given', async () => {
    const { slot, ready, heard } = setup()
    const instance = await ready()
    expect(slot.unloadIfUnused('idle')).toBe(true)
    expect(slot.state).toBe('Unloading')
    expect(slot.tryAcquire()).toBeUndefined()
    instance.finishUnload()
    await settled()
    expect(slot.state).toBe('Unloaded')
    expect(heard).toEqual(['loaded in 0', 'unloaded: idle'])
  })

  it('does not begin twice', async () => {
    const { slot, ready } = setup()
    const instance = await ready()
    slot.unloadIfUnused('idle')
    expect(slot.unloadIfUnused('evicted')).toBe(false)
    instance.finishUnload()
    await settled()
    expect(slot.unloadIfUnused('evicted')).toBe(false)
    expect(instance.unloadCalls).toBe(1)
  })

  it('leaves alone what loads, serves or is waited for', async () => {
    const { slot, executor, request, done } = setup({ maxConcurrency: 1 })
    expect(slot.unloadIfUnused('idle')).toBe(false)
    request()
    expect(slot.unloadIfUnused('idle')).toBe(false)
    executor.last.succeed()
    // Neither in any turn between the end of the load and the request.
    for (let turn = 0; turn < 20; turn++) {
      expect(slot.unloadIfUnused('idle')).toBe(false)
      await Promise.resolve()
    }
    const queued = request()
    await settled()
    done()
    // The place has been handed over, its taker has not woken yet.
    for (let turn = 0; turn < 20; turn++) {
      expect(slot.unloadIfUnused('evicted')).toBe(false)
      await Promise.resolve()
    }
    expect(fate(queued)).toBe('fulfilled')
    done()
    expect(slot.unloadIfUnused('idle')).toBe(true)
  })

  it('keeps a request that comes meanwhile waiting, then loads anew', async () => {
    const { slot, executor, ready, request } = setup()
    const before = await ready()
    slot.unloadIfUnused('idle')
    const requests = [request(), request()]
    await settled()
    expect(slot.state).toBe('Unloading')
    expect(executor.loads).toHaveLength(1)
    before.finishUnload()
    await settled()
    expect(slot.state).toBe('Loading')
    expect(executor.loads).toHaveLength(2)
    const after = executor.last.succeed()
    await settled()
    expect(requests.map(({ value }) => value)).toEqual([after, after])
  })

  it('counts as done when onUnload throws, and says so', async () => {
    const { slot, ready, request, executor, heard } = setup()
    const instance = await ready()
    slot.unloadIfUnused('idle')
    const waiting = request()
    instance.failUnload(new Error('onUnload threw'))
    await settled()
    expect(heard.at(-1)).toBe('idle: onUnload threw')
    executor.last.succeed()
    await settled()
    expect(fate(waiting)).toBe('fulfilled')
  })

  it('counts as done when unload throws at once', async () => {
    const { slot, executor, ready, heard } = setup()
    await ready()
    executor.onUnload = () => {
      throw new Error('at once')
    }
    slot.unloadIfUnused('idle')
    await settled()
    expect(slot.state).toBe('Unloaded')
    expect(heard.at(-1)).toBe('idle: at once')
  })

  it('goes on without an onUnload that takes too long, and without its late failure', async () => {
    const { clock, slot, ready, heard } = setup()
    const instance = await ready()
    slot.unloadIfUnused('idle')
    await clock.advance(499)
    expect(slot.state).toBe('Unloading')
    await clock.advance(1)
    expect(slot.state).toBe('Unloaded')
    instance.failUnload(new Error('late'))
    await settled()
    expect(heard.slice(1)).toEqual(['idle: unloading "f" took longer than 500 ms'])
    expect(clock.pending).toBe(0)
  })

  it('fails those who wait for the next load if that fails', async () => {
    const { slot, executor, ready, request } = setup()
    const before = await ready()
    slot.unloadIfUnused('idle')
    const requests = [request(), request(), request()]
    before.finishUnload()
    await settled()
    executor.last.fail()
    await settled()
    expect(requests.map(fate)).toEqual(Array(3).fill('FUNCTION_LOAD_FAILED'))
    expect(executor.loads).toHaveLength(2)
    expect(slot.inUse).toBe(false)
  })
})
