import { describe, expect, it } from 'vitest'
import { settled } from '../helpers/fake-clock.ts'
import { fate, setup } from '../helpers/slot-setup.ts'
import { watch } from '../helpers/watch.ts'

describe('places', () => {
  it('serves at most maxConcurrency at once and hands a place to who came first', async () => {
    const { slot, executor, request, done } = setup({ maxConcurrency: 2 })
    const requests = [request(), request(), request(), request()]
    executor.last.succeed()
    await settled()
    const fates = () => requests.map(fate)
    expect(fates()).toEqual(['fulfilled', 'fulfilled', 'waiting', 'waiting'])
    expect(slot.tryAcquire()).toBeUndefined()
    done()
    // Nobody overtakes the one whose turn it is, not even in the same turn of the event loop.
    expect(slot.tryAcquire()).toBeUndefined()
    await settled()
    expect(fates()).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'waiting'])
    expect(slot.active).toBe(2)
  })

  it('refuses at once when the waiting room is full', async () => {
    const { slot, serving, request } = setup({ maxConcurrency: 1 })
    await serving()
    const requests = [request(), request(), request()]
    await settled()
    expect(requests.map(fate)).toEqual(['waiting', 'waiting', 'TOO_MANY_REQUESTS'])
    expect(requests[2]?.error).toMatchObject({ status: 429, headers: { 'retry-after': '1' } })
    expect(slot.active).toBe(1)
  })

  it('has no waiting room when maxQueue is 0', async () => {
    const { serving, request } = setup({ maxConcurrency: 1 }, { maxQueue: 0 })
    await serving()
    const refused = request()
    await settled()
    expect(fate(refused)).toBe('TOO_MANY_REQUESTS')
  })

  it('applies the bound of the waiting room to those who waited for the load', async () => {
    const { executor, request } = setup({ maxConcurrency: 1 })
    const requests = Array.from({ length: 5 }, request)
    executor.last.succeed()
    await settled()
    expect(requests.map(fate)).toEqual([
      'fulfilled',
      'waiting',
      'waiting',
      'TOO_MANY_REQUESTS',
      'TOO_MANY_REQUESTS',
    ])
  })

  it('refuses who has waited too long, and passes the place to the next', async () => {
    const { clock, serving, request, done, slot } = setup({ maxConcurrency: 1 })
    await serving()
    const first = request()
    await clock.advance(100)
    const second = request()
    await clock.advance(100)
    expect([first, second].map(fate)).toEqual(['TOO_MANY_REQUESTS', 'waiting'])
    done()
    await settled()
    expect(fate(second)).toBe('fulfilled')
    done()
    expect(slot).toMatchObject({ active: 0, inUse: false })
    expect(clock.pending).toBe(0)
  })

  it('does not hand a place to a request that has just given up', async () => {
    const { clock, serving, request, done, slot } = setup({ maxConcurrency: 1 })
    await serving()
    const gone = request()
    await clock.advance(200)
    done()
    await settled()
    expect(fate(gone)).toBe('TOO_MANY_REQUESTS')
    expect(slot.active).toBe(0)
    expect(slot.tryAcquire()).toBeDefined()
  })

  it('frees a place in the waiting room when it is left', async () => {
    const { clock, serving, request } = setup({ maxConcurrency: 1 })
    await serving()
    request()
    request()
    await clock.advance(200)
    const next = request()
    await settled()
    expect(fate(next)).toBe('waiting')
  })
})

describe('holding', () => {
  it('keeps the instance after the request, until all is undone', async () => {
    const { clock, slot, serving, done } = setup()
    const instance = await serving()
    slot.hold()
    slot.hold()
    done()
    await clock.advance(60_000)
    expect(slot.unloadIfUnused('idle')).toBe(false)
    slot.unhold(clock.now())
    expect(slot.unloadIfUnused('idle')).toBe(false)
    await clock.advance(5)
    slot.unhold(clock.now())
    expect(slot.lastUsedMs).toBe(clock.now())
    expect(slot.unloadIfUnused('idle')).toBe(true)
    expect(instance.unloadCalls).toBe(1)
  })

  it('takes no place', async () => {
    const { slot, serving, done } = setup({ maxConcurrency: 1 })
    await serving()
    slot.hold()
    done()
    expect(slot.active).toBe(0)
    expect(slot.tryAcquire()).toBeDefined()
  })

  it('delays a retirement until it is undone', async () => {
    const { clock, slot, serving, done } = setup()
    const instance = await serving()
    slot.hold()
    done()
    const retired = watch(slot.retire('replaced'))
    await settled()
    expect(instance.unloadCalls).toBe(0)
    slot.unhold(clock.now())
    instance.finishUnload()
    await settled()
    expect(retired.state).toBe('fulfilled')
  })

  it('loads nothing, and is harmless without an instance', async () => {
    const { clock, executor, slot } = setup()
    slot.hold()
    const retired = watch(slot.retire('removed'))
    await settled()
    expect(retired.state).toBe('waiting')
    slot.unhold(clock.now())
    await settled()
    expect(retired.state).toBe('fulfilled')
    expect(executor.loads).toHaveLength(0)
  })
})

describe('warming', () => {
  it('loads without a request and leaves the instance unused', async () => {
    const { slot, executor } = setup()
    const warmed = watch(slot.warm())
    executor.last.succeed()
    await settled()
    expect(warmed.state).toBe('fulfilled')
    expect(slot).toMatchObject({ state: 'Ready', active: 0, inUse: false })
  })

  it('shares its load with requests, and is done at once when it is ready', async () => {
    const { slot, executor, request } = setup()
    const waiting = request()
    const warmed = [watch(slot.warm()), watch(slot.warm())]
    executor.last.succeed()
    await settled()
    const again = watch(slot.warm())
    await settled()
    expect([waiting, ...warmed, again].map(fate)).toEqual(Array(4).fill('fulfilled'))
    expect(executor.loads).toHaveLength(1)
    expect(slot.active).toBe(1)
  })

  it('fails with the load, and is bound to its backoff', async () => {
    const { slot, executor } = setup()
    const warmed = watch(slot.warm())
    executor.last.fail()
    await settled()
    const again = watch(slot.warm())
    await settled()
    expect([warmed, again].map(fate)).toEqual(Array(2).fill('FUNCTION_LOAD_FAILED'))
    expect(executor.loads).toHaveLength(1)
    expect(slot.inUse).toBe(false)
  })

  it('takes no place', async () => {
    const { slot, serving } = setup({ maxConcurrency: 1 }, { maxQueue: 0 })
    await serving()
    const warmed = watch(slot.warm())
    await settled()
    expect(fate(warmed)).toBe('fulfilled')
    expect(slot.active).toBe(1)
  })
})
