import { describe, expect, it } from 'vitest'
import { settled } from '../helpers/fake-clock.ts'
import { setup as slotSetup } from '../helpers/slot-setup.ts'

const setup = () => slotSetup({ execution: { minInstances: 1 } })

describe('a slot that is kept', () => {
  it('is not unloaded when nothing uses it', async () => {
    const { slot, ready } = setup()
    const instance = await ready()
    expect(slot.isKept).toBe(true)
    expect(slot.unloadIfUnused('idle')).toBe(false)
    expect(slot.unloadIfUnused('evicted')).toBe(false)
    expect([slot.state, instance.unloadCalls]).toEqual(['Ready', 0])
  })

  it('loads nothing before it is asked for the first time', async () => {
    const { executor, clock } = setup()
    await clock.advance(60_000)
    expect(executor.loads).toEqual([])
  })

  it('is loaded again without a request when it has died, at once', async () => {
    const { slot, ready, clock, executor } = setup()
    const instance = await ready()
    instance.exit()
    await clock.advance(0)
    expect(slot.state).toBe('Loading')
    executor.last.succeed()
    await settled()
    expect(slot.state).toBe('Ready')
    expect(executor.loads).toHaveLength(2)
    expect(clock.pending).toBe(0)
  })

  it('waits longer and longer when it keeps failing, and goes on trying', async () => {
    const { slot, ready, clock, executor } = setup()
    const instance = await ready()
    instance.exit()
    const waits: (number | undefined)[] = []
    for (let i = 0; i < 5; i++) {
      await settled()
      waits.push(clock.nextInMs)
      await clock.advance(clock.nextInMs ?? 0)
      executor.last.fail()
    }
    expect(waits).toEqual([0, 100, 200, 400, 800])
    executor.automatic = true
    await clock.advance(1_600)
    expect(slot.state).toBe('Ready')
  })

  it('is loaded once when a request comes before its time', async () => {
    const { slot, ready, clock, executor, request, done } = setup()
    const instance = await ready()
    instance.exit()
    const waiting = request()
    await settled()
    const again = request()
    await clock.advance(10)
    expect(executor.loads).toHaveLength(2)
    executor.last.succeed()
    await settled()
    expect([waiting.state, again.state]).toContain('fulfilled')
    for (const { state } of [waiting, again]) if (state === 'fulfilled') done()
    expect(slot.state).toBe('Ready')
  })

  it('goes for good when it retires', async () => {
    const { slot, ready, executor } = setup()
    const instance = await ready()
    const retired = slot.retire('removed')
    instance.finishUnload()
    await retired
    expect(slot.state).toBe('Unloaded')
    expect(executor.loads).toHaveLength(1)
  })

  it('is not loaded again when it retires after its death', async () => {
    const { slot, ready, clock, executor } = setup()
    const instance = await ready()
    instance.exit()
    await settled()
    await slot.retire('replaced')
    await clock.advance(60_000)
    expect(executor.loads).toHaveLength(1)
    expect(clock.pending).toBe(0)
  })
})
