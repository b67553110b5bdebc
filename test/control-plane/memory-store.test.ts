import { describe, expect, it } from 'vitest'
import { MemoryStore } from '../../src/control-plane/memory/memory-store.ts'
import { storeContract } from '../contract/store-contract.ts'
import { Follower } from '../contract/store-follower.ts'
import { FakeClock } from '../helpers/fake-clock.ts'

storeContract('MemoryStore', async () => {
  const root = new MemoryStore()
  return {
    open: async () => root.share(),
    endLease: async key => root.endLease(key),
    [Symbol.asyncDispose]: () => root.close(),
  }
})

describe('MemoryStore', () => {
  it('ends a watch that is further behind than its history', async () => {
    await using store = new MemoryStore({ historyLimit: 10 })
    const { revision } = await store.list('')
    for (let n = 0; n < 21; n++) await store.put(`key-${n}`, '1')
    const lost = new Follower(store, '', { entries: new Map(), revision })
    expect(await lost.ended).toMatchObject({ code: 'WATCH_LOST' })
    await using follower = await Follower.start(store, '')
    await store.put('end', '1')
    await follower.untilHas('end', '1')
  })

  it('ends a watch from a revision that never was', async () => {
    await using store = new MemoryStore()
    for (const revision of ['1', 'x']) {
      const lost = new Follower(store, '', { entries: new Map(), revision })
      expect(await lost.ended).toMatchObject({ code: 'WATCH_LOST' })
    }
  })

  it('keeps the keys of a closed store for exactly the time of their lease', async () => {
    const clock = new FakeClock()
    await using store = new MemoryStore({ clock })
    const holder = store.share()
    const lease = await holder.lease(5_000)
    await holder.put('a', '1', { lease })
    await clock.advance(60_000)
    await holder.close()
    await clock.advance(4_999)
    expect((await store.list('')).entries.size).toBe(1)
    await clock.advance(1)
    expect((await store.list('')).entries.size).toBe(0)
    expect(clock.pending).toBe(0)
  })

  it('does not take a value for another one when a listing is changed', async () => {
    await using store = new MemoryStore()
    await store.put('a', '1')
    const { entries } = await store.list('')
    ;(entries as Map<string, unknown>).clear()
    expect((await store.list('')).entries.size).toBe(1)
  })
})
