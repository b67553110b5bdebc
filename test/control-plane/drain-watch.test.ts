import { describe, expect, it } from 'vitest'
import { DrainWatch } from '../../src/control-plane/drain-watch.ts'
import { FakeClock, settled } from '../helpers/fake-clock.ts'
import { RecordedLog } from './recorded-log.ts'
import { SwitchedStore } from './switched-store.ts'

function setup() {
  const clock = new FakeClock()
  const store = new SwitchedStore()
  const heard: boolean[] = []
  const onDrain = (draining: boolean) => heard.push(draining)
  const log = new RecordedLog()
  const drain = new DrainWatch({ store, nodeId: 'a', onDrain, log, clock, random: () => 1 })
  return { clock, store, heard, drain }
}

describe('the watch for a drain', () => {
  it('tells when one is asked for and undone, of this node alone', async () => {
    const { clock, store, heard, drain } = setup()
    drain.start()
    await settled()
    await store.store.put('fezz/v1/drains/ab', '{}')
    await settled()
    expect(heard).toEqual([])
    await store.store.put('fezz/v1/drains/a', '{}')
    await settled()
    expect(heard).toEqual([true])
    await store.store.put('fezz/v1/drains/a', '{"reason":"kernel"}')
    await store.store.delete('fezz/v1/drains/ab')
    await settled()
    expect(heard).toEqual([true])
    await store.store.delete('fezz/v1/drains/a')
    await settled()
    expect(heard).toEqual([true, false])
    await Promise.all([drain.close(), drain.close()])
    await store.store.put('fezz/v1/drains/a', '{}')
    await clock.advance(100_000)
    expect(heard).toEqual([true, false])
    expect(clock.pending).toBe(0)
    await store.close()
  })

  it('finds one that was there before, and keeps it while the store is away', async () => {
    const { clock, store, heard, drain } = setup()
    await store.store.put('fezz/v1/drains/a', 'whatever')
    drain.start()
    await settled()
    store.cut()
    await clock.advance(60_000)
    expect(heard).toEqual([true])
    await store.store.delete('fezz/v1/drains/a')
    store.mend()
    await clock.advance(2_000)
    expect(heard).toEqual([true, false])
    await drain.close()
    await store.close()
  })
})
