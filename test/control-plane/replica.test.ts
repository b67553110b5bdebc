import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import {
  Replica,
  type ReplicaChange,
  type ReplicaOptions,
} from '../../src/control-plane/replica.ts'
import { FakeClock, settled } from '../helpers/fake-clock.ts'
import { watch } from '../helpers/watch.ts'
import { RecordedLog } from './recorded-log.ts'
import { SwitchedStore } from './switched-store.ts'

/** A replica of `a/` whose waits are half of what they could be, and its store. */
function setup(options: Partial<ReplicaOptions> = {}) {
  const clock = new FakeClock()
  const store = new SwitchedStore()
  const log = new RecordedLog()
  const changes: ReplicaChange[] = []
  const replica = new Replica({
    store,
    prefix: 'a/',
    log,
    clock,
    random: () => 0,
    onChange: change => changes.push(change),
    ...options,
  })
  return {
    clock,
    store,
    log,
    changes,
    replica,
    async start() {
      replica.start()
      await replica.synced
      await settled()
      changes.length = 0
    },
    /** What was told since the last call: `key=value`, or `key` when it is gone. */
    told: () =>
      changes
        .splice(0)
        .flatMap(({ events }) =>
          events.map(({ key, stored }) => (stored ? `${key}=${stored.value}` : key)),
        ),
    /** The replica against its store. */
    async compare() {
      const { entries } = await store.store.list('a/')
      expect(new Map([...replica.entries].sort())).toEqual(new Map([...entries].sort()))
    },
    [Symbol.asyncDispose]: () => replica.close(),
  }
}

describe('a replica', () => {
  it('tells what there is, then every change, each once', async () => {
    await using world = setup()
    const { store, replica, changes } = world
    await store.put('a/1', 'x')
    await store.put('b/1', 'of no interest')
    replica.start()
    await replica.synced
    expect(changes).toEqual([
      {
        events: [{ key: 'a/1', stored: { value: 'x', revision: '1' } }],
        revision: '2',
        isListing: true,
      },
    ])
    changes.length = 0
    await store.put('a/2', 'y')
    await settled()
    await store.delete('a/1')
    await settled()
    expect(changes).toEqual([
      {
        events: [{ key: 'a/2', stored: { value: 'y', revision: '3' } }],
        revision: '3',
        isListing: false,
      },
      { events: [{ key: 'a/1' }], revision: '4', isListing: false },
    ])
    expect(replica.status).toMatchObject({ connected: true, revision: '4', repaired: 0 })
    await world.compare()
  })

  it('does not tell again, nor take back, what a watch repeats', async () => {
    await using world = setup()
    await world.start()
    world.store.echoes = true
    await world.store.put('a/1', 'x')
    await settled()
    await world.store.put('a/1', 'y')
    await settled()
    await world.store.delete('a/1')
    await settled()
    await world.store.put('a/2', 'z')
    await settled()
    expect(world.told()).toEqual(['a/1=x', 'a/1=y', 'a/1', 'a/2=z'])
    await world.compare()
  })

  it('does not let a watch take back what a listing has told', async () => {
    await using world = setup()
    const { store } = world
    await store.put('a/gone', 'x')
    await store.put('a/1', 'old')
    await store.put('a/1', 'new')
    await store.delete('a/gone')
    await world.start()
    store.stale = [
      { key: 'a/gone', stored: { value: 'x', revision: '1' } },
      { key: 'a/1', stored: { value: 'old', revision: '2' } },
    ]
    await store.put('a/2', 'x')
    await settled()
    expect(world.told()).toEqual(['a/2=x'])
    await world.compare()
  })

  it('lists at once when a healthy watch is lost, and tells the difference only', async () => {
    await using world = setup()
    const { store, clock, replica } = world
    await store.put('a/same', '1')
    await store.put('a/changed', '1')
    await store.put('a/gone', '1')
    await world.start()
    store.isMuted = true
    await store.put('a/changed', '2')
    await store.delete('a/gone')
    await store.put('a/new', '1')
    await clock.advance(5_000)
    expect(world.told()).toEqual([])
    store.isMuted = false
    store.interrupt('WATCH_LOST')
    await settled()
    expect(world.told().sort()).toEqual(['a/changed=2', 'a/gone', 'a/new=1'])
    expect(replica.status.listings.get('watch_lost')).toBe(1)
    expect(world.log.lines).toEqual([])
    await world.compare()
  })

  it.each(['WATCH_LOST', 'STORE_UNAVAILABLE', 'silently'] as const)(
    'asks less and less often when every watch ends at once: %s',
    async end => {
      await using world = setup()
      const { store, clock } = world
      store.watchesEnd = end
      world.replica.start()
      await clock.advance(60_000)
      // 25, 50, 100 ... 1,000 ms apart, and then 59 s of those.
      expect(store.listings).toBeGreaterThan(55)
      expect(store.listings).toBeLessThan(70)
      store.watchesEnd = undefined
      await clock.advance(1_000)
      await store.put('a/1', 'x')
      await settled()
      expect(world.told()).toEqual(['a/1=x'])
    },
  )

  it('waits between 50 % and 100 % of 50 ms, 100 ms, 200 ms ... 2 s', async () => {
    const waits = async (random: number) => {
      await using world = setup({ random: () => random })
      world.store.isDown = true
      world.replica.start()
      await settled()
      const found: (number | undefined)[] = []
      for (let n = 0; n < 8; n++) {
        found.push(world.clock.nextInMs)
        await world.clock.advance(world.clock.nextInMs ?? 0)
      }
      return found
    }
    expect(await waits(0)).toEqual([25, 50, 100, 200, 400, 800, 1_000, 1_000])
    expect(await waits(0.5)).toEqual([37.5, 75, 150, 300, 600, 1_200, 1_500, 1_500])
  })

  it('forgets failures after a watch that lasted', async () => {
    await using world = setup()
    const { store, clock } = world
    store.isDown = true
    world.replica.start()
    await clock.advance(30_000)
    store.mend()
    await clock.advance(1_000)
    await clock.advance(2_000)
    store.listings = 0
    store.interrupt('WATCH_LOST')
    await settled()
    expect(store.listings).toBe(1)
    store.interrupt('WATCH_LOST')
    await settled()
    expect(store.listings).toBe(1)
    expect(clock.nextInMs).toBe(50)
  })

  it('logs a lost store once, and once that it is back and after how long', async () => {
    await using world = setup()
    const { store, clock, log, replica } = world
    await world.start()
    store.cut()
    await clock.advance(20_000)
    expect(replica.status.connected).toBe(false)
    expect(log.lines).toEqual(['warn: the store does not answer; going on with what is known'])
    store.mend()
    await clock.advance(1_000)
    expect(replica.status.connected).toBe(true)
    expect(log.lines[1]).toBe('info: the store answers again')
    expect(log.lines).toHaveLength(2)
    const { lostMs } = log.fields[1] as { lostMs: number }
    expect(lostMs).toBeGreaterThan(20_000 - 1)
    expect(lostMs).toBeLessThan(21_001)
  })

  it('mends with the periodic compare what a watch has missed, and counts it', async () => {
    await using world = setup({ compareEveryMs: 10_000 })
    const { store, clock, replica } = world
    await store.put('a/gone', '1')
    await world.start()
    await clock.advance(9_000)
    expect(replica.status).toMatchObject({ connected: true, repaired: 0 })
    expect(replica.status.listings.get('compare')).toBe(1)
    store.isMuted = true
    await store.put('a/1', 'x')
    await store.delete('a/gone')
    await clock.advance(9_000)
    expect(world.told().sort()).toEqual(['a/1=x', 'a/gone'])
    expect(replica.status.repaired).toBe(2)
    store.isMuted = false
    await clock.advance(27_000)
    expect(replica.status.repaired).toBe(2)
    expect(store.openWatches).toBe(1)
    expect(world.log.lines).toEqual([])
    await world.compare()
  })

  it('does not count as missed what was on its way when it compared', async () => {
    await using world = setup({ compareEveryMs: 10_000 })
    const { store, clock, replica } = world
    await world.start()
    await clock.advance(8_500)
    await store.put('a/1', 'x')
    await settled()
    store.isMuted = true
    await store.put('a/2', 'y')
    await clock.advance(500)
    expect(world.told()).toEqual(['a/1=x', 'a/2=y'])
    expect(replica.status.repaired).toBe(0)
  })

  it('spreads the compares of many hosts', async () => {
    const dueMs = async (random: number) => {
      await using world = setup({ random: () => random })
      await world.start()
      return world.clock.nextInMs
    }
    expect(await dueMs(0)).toBe(54_000)
    expect(await dueMs(0.999)).toBeCloseTo(65_988)
  })

  it('tells the first listing as a difference from what was known', async () => {
    const entries = new Map([
      ['a/same', { value: '1', revision: '1' }],
      ['a/changed', { value: '1', revision: '2' }],
      ['a/gone', { value: '1', revision: '3' }],
    ])
    await using world = setup({ initial: { entries, revision: '3' } })
    const { store, replica } = world
    expect(replica.status).toMatchObject({ connected: false, revision: '3' })
    await store.put('a/same', '1')
    await store.put('a/changed', '2')
    replica.start()
    await replica.synced
    expect(world.told()).toEqual(['a/changed=2', 'a/gone'])
    expect(replica.status.revision).toBe('2')
    await world.compare()
  })

  it('goes on when the consumer throws', async () => {
    const told: number[] = []
    await using world = setup({
      onChange: ({ events }) => {
        told.push(events.length)
        throw new Error('of the consumer')
      },
    })
    world.replica.start()
    await world.replica.synced
    await world.store.put('a/1', 'x')
    await settled()
    expect(told).toEqual([0, 1])
    expect(world.store.listings).toBe(1)
    expect(world.log.lines).toEqual(Array(2).fill('error: a change could not be handled'))
    await world.compare()
  })

  it('believes a store that has begun anew', async () => {
    await using world = setup()
    const { store } = world
    for (let n = 0; n < 5; n++) await store.put(`a/${n}`, 'x')
    await world.start()
    store.cut()
    store.store = new SwitchedStore().store
    await store.put('a/0', 'y')
    store.mend()
    await world.clock.advance(1_000)
    expect(world.told()).toEqual(['a/0=y', 'a/1', 'a/2', 'a/3', 'a/4'])
    await store.put('a/1', 'z')
    await settled()
    expect(world.told()).toEqual(['a/1=z'])
    await world.compare()
  })

  it('tells nothing after close, and leaves nothing open', async () => {
    const world = setup()
    const { store, replica, clock } = world
    await world.start()
    expect(store.openWatches).toBe(1)
    const closing = replica.close()
    await store.put('a/1', 'x')
    await closing
    await replica.close()
    replica.start()
    await clock.advance(120_000)
    expect(world.told()).toEqual([])
    expect(store.openWatches).toBe(0)
    expect(clock.pending).toBe(0)
    expect(replica.status.connected).toBe(false)
  })

  it.each([
    ['hangs', (store: SwitchedStore) => Object.assign(store, { hangs: true })],
    ['is down', (store: SwitchedStore) => Object.assign(store, { isDown: true })],
  ])('can be closed while the store %s; then it never is in sync', async (_, spoil) => {
    const { store, replica, clock } = setup()
    spoil(store)
    const synced = watch(replica.synced)
    replica.start()
    await clock.advance(1_000)
    expect(synced.state).toBe('waiting')
    await replica.close()
    expect(synced).toMatchObject({ state: 'rejected', error: { code: 'STORE_UNAVAILABLE' } })
    expect(clock.pending).toBe(0)
  })

  it('lists 10,000 entries without holding up the event loop', async () => {
    await using world = setup()
    const value = 'x'.repeat(1_000)
    for (let n = 0; n < 10_000; n++) await world.store.put(`a/${n}`, `${value}${n}`)
    await world.start()
    world.store.cut()
    world.store.mend()
    let longestMs = 0
    const stop = new AbortController()
    const ticks = (async () => {
      for (let last = performance.now(); !stop.signal.aborted; ) {
        await delay(0)
        const now = performance.now()
        longestMs = Math.max(longestMs, now - last)
        last = now
      }
    })()
    await world.clock.advance(2_000)
    stop.abort()
    await ticks
    await world.compare()
    // MemoryStore.list copies all at once, in some milliseconds.
    expect(longestMs).toBeLessThan(40)
  })
})
