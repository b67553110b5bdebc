import { describe, expect, it } from 'vitest'
import { settled } from '../helpers/fake-clock.ts'
import { watch } from '../helpers/watch.ts'
import { KEY, MembershipWorld, nodeEntry } from './membership-world.ts'

describe('a host', () => {
  it('registers as starting, tells its state, and leaves nothing behind', async () => {
    await using world = new MembershipWorld()
    const { membership, join } = world.host()
    expect(membership.status()).toMatchObject({ registered: false, state: 'starting' })
    await join()
    expect(await world.entry()).toEqual(nodeEntry())
    await world.clock.advance(500)
    expect(membership.status()).toEqual({
      registered: true,
      state: 'starting',
      sinceMs: 500,
      conflict: undefined,
    })
    for (const state of ['ready', 'draining'] as const) {
      await membership.setState(state)
      expect(await world.entry()).toEqual(nodeEntry({ state }))
    }
    await membership.leave()
    expect(await world.entry()).toBeUndefined()
    expect(membership.status().registered).toBe(false)
    await membership.setState('ready')
    await membership.close()
    expect(await world.entry()).toBeUndefined()
    expect(world.clock.pending).toBe(0)
  })

  it('has an entry that goes with its lease', async () => {
    await using world = new MembershipWorld()
    const { join, store } = world.host()
    await join()
    await store.store.close()
    await world.clock.advance(14_999)
    expect(await world.entry()).toBeDefined()
    await world.clock.advance(1)
    expect(await world.entry()).toBeUndefined()
  })

  it('writes nothing when nothing changes', async () => {
    await using world = new MembershipWorld()
    const { join, store, membership } = world.host()
    await join()
    await membership.setState('starting')
    await world.clock.advance(600_000)
    expect(store.puts).toBe(1)
    // The first, the watch's first, what the watch told, and the compare each minute.
    expect(store.listings).toBeLessThan(15)
  })

  it('registers under a new lease when it has lost its own', async () => {
    await using world = new MembershipWorld()
    const { join, membership, log } = world.host()
    const leases: unknown[] = []
    membership.onLease(lease => leases.push(lease))
    await join()
    await membership.setState('ready')
    expect(leases).toEqual([membership.lease])
    world.data.endLease(KEY)
    await settled()
    expect(await world.entry()).toEqual(nodeEntry({ state: 'ready' }))
    expect(leases).toHaveLength(2)
    expect(leases[1]).toBe(membership.lease)
    expect(log.lines).toContain('warn: the lease of this host is lost; registering again')
    await membership.leave()
    expect(await world.entry()).toBeUndefined()
  })

  it('learns of the end of its lease from the store alone, without the watch', async () => {
    await using world = new MembershipWorld()
    const { join, store } = world.host()
    await join()
    await settled()
    store.isMuted = true
    world.data.endLease(KEY)
    await settled()
    expect(await world.entry()).toEqual(nodeEntry())
  })

  it('learns of the end of its lease from a refused write alone', async () => {
    await using world = new MembershipWorld()
    const { join, membership } = world.host()
    await join()
    const { lease } = membership
    // Memory leases are not lost by this, only over.
    await lease?.revoke()
    await world.clock.advance(1_000)
    expect(await world.entry()).toEqual(nodeEntry())
    expect(membership.lease).not.toBe(lease)
  })

  it.each([
    ['deleted', () => undefined],
    ['broken', () => '{'],
    ['changed', () => JSON.stringify(nodeEntry({ state: 'draining' }))],
    ['written again without a lease', (own: string) => own],
  ])('puts its entry back when somebody has %s it', async (_, change) => {
    await using world = new MembershipWorld()
    const { join, store, log } = world.host()
    await join()
    await settled()
    const own = (await world.data.list(KEY)).entries.get(KEY)!
    const value = change(own.value)
    if (value === undefined) await world.data.delete(KEY)
    else await world.data.put(KEY, value)
    await settled()
    expect(await world.entry()).toEqual(nodeEntry())
    expect(log.lines.join()).toContain('putting it back')
    // And not for ever.
    await world.clock.advance(10_000)
    expect(store.puts).toBe(2)
    await store.store.close()
    await world.clock.advance(15_000)
    expect(await world.entry()).toBeUndefined()
  })

  it('puts its entry back when the watch has missed that it is gone', async () => {
    await using world = new MembershipWorld()
    const { join, store } = world.host()
    await join()
    store.isMuted = true
    await world.data.delete(KEY)
    await world.clock.advance(70_000)
    expect(await world.entry()).toEqual(nodeEntry())
  })
})

describe('without the store', () => {
  it('starts all the same, and is there within a second of its return', async () => {
    await using world = new MembershipWorld()
    const { join, store, membership, log } = world.host()
    store.cut()
    await join()
    await membership.setState('ready')
    expect(membership.status()).toMatchObject({ registered: false, state: 'ready' })
    await world.clock.advance(120_000)
    store.mend()
    await world.clock.advance(1_000)
    expect(await world.entry()).toEqual(nodeEntry({ state: 'ready' }))
    expect(membership.status().registered).toBe(true)
    // Once, and not for each of some hundred attempts.
    expect(log.lines.filter(line => line.startsWith('warn'))).toHaveLength(1)
  })

  it('keeps a change of state, and the lease that still lives', async () => {
    await using world = new MembershipWorld()
    const { join, store, membership } = world.host()
    await join()
    const { lease } = membership
    store.cut()
    await membership.setState('ready')
    await world.clock.advance(5_000)
    expect(await world.entry()).toEqual(nodeEntry())
    store.mend()
    await world.clock.advance(1_000)
    expect(await world.entry()).toEqual(nodeEntry({ state: 'ready' }))
    expect(membership.lease).toBe(lease)
  })

  it('comes back after the lease has run out meanwhile', async () => {
    await using world = new MembershipWorld()
    const { join, store } = world.host()
    await join()
    store.cut()
    world.data.endLease(KEY)
    await world.clock.advance(60_000)
    expect(await world.entry()).toBeUndefined()
    store.mend()
    await world.clock.advance(1_000)
    expect(await world.entry()).toEqual(nodeEntry())
  })

  it('leaves at once, and before it has joined', async () => {
    await using world = new MembershipWorld()
    const { join, store, membership } = world.host()
    await join()
    store.cut()
    await membership.leave()
    await world.host({ id: 'b' }).membership.leave()
    expect(world.clock.pending).toBe(0)
  })

  it('waits no longer than 3 s for a store that hangs', async () => {
    await using world = new MembershipWorld()
    const { join, store, membership } = world.host()
    await join()
    store.hangs = true
    void membership.setState('draining')
    await settled()
    const left = watch(membership.leave())
    await world.clock.advance(2_999)
    expect(left.state).toBe('waiting')
    await world.clock.advance(1)
    expect(left.state).toBe('fulfilled')
    expect(world.clock.pending).toBe(0)
  })
})

describe('two hosts with one id', () => {
  const SECOND = { run: 'second', startedAt: '2026-11-21T11:00:00.000Z' }
  const ELSEWHERE = { ...SECOND, address: '10.0.0.2', port: 9090 }

  it('the second is refused when the first has not gone in time; the first stays', async () => {
    await using world = new MembershipWorld()
    const first = world.host()
    await first.join()
    const second = world.host(ELSEWHERE)
    const joined = watch(second.join())
    await world.clock.advance(19_000)
    expect(joined.state).toBe('waiting')
    expect(second.membership.status().conflict).toEqual(nodeEntry())
    await world.clock.advance(1_000)
    expect(joined.error).toMatchObject({
      code: 'INVALID_CONFIG',
      message:
        'two hosts have the node id "a": 10.0.0.1:8080 (run first, started at ' +
        '2026-11-21T10:00:00.000Z) is registered, 10.0.0.2:9090 (run second, started at ' +
        '2026-11-21T11:00:00.000Z) is this one; give one of them another --node-id',
    })
    expect(await world.entry()).toEqual(nodeEntry())
    expect(second.log.lines.filter(line => line.startsWith('warn'))).toHaveLength(1)
    await second.membership.leave()
    expect(await world.entry()).toEqual(nodeEntry())
    await first.membership.leave()
    expect(world.clock.pending).toBe(0)
  })

  it('the second takes over as soon as the entry of a dead first is gone', async () => {
    await using world = new MembershipWorld()
    const first = world.host()
    await first.join()
    await first.store.store.close()
    await world.clock.advance(5_000)
    const second = world.host(ELSEWHERE)
    const joined = watch(second.join())
    await world.clock.advance(9_999)
    expect(joined.state).toBe('waiting')
    await world.clock.advance(1)
    expect(joined.state).toBe('fulfilled')
    expect(await world.entry()).toEqual(nodeEntry(ELSEWHERE))
    expect(second.membership.status().conflict).toBeUndefined()
  })

  it('that start together: one of them has it', async () => {
    await using world = new MembershipWorld()
    const hosts = [world.host(), world.host(ELSEWHERE)]
    const joined = hosts.map(host => watch(host.join()))
    await world.clock.advance(25_000)
    expect(joined.map(({ state }) => state).sort()).toEqual(['fulfilled', 'rejected'])
    const holder = hosts[joined.findIndex(({ state }) => state === 'fulfilled')]!
    expect(holder.membership.status().registered).toBe(true)
  })

  it('a successor on the same port takes over at once, and stays when the other leaves', async () => {
    await using world = new MembershipWorld()
    const first = world.host()
    await first.join()
    const second = world.host(SECOND)
    await second.join()
    await settled()
    expect(await world.entry()).toEqual(nodeEntry(SECOND))
    await world.clock.advance(60_000)
    expect(await world.entry()).toEqual(nodeEntry(SECOND))
    expect(second.store.puts).toBe(1)
    expect(first.membership.status()).toMatchObject({
      registered: false,
      conflict: { run: 'second' },
    })
    expect(first.membership.lease).toBeUndefined()
    await first.membership.leave()
    expect(await world.entry()).toEqual(nodeEntry(SECOND))
  })

  it('one that has lost its id to another says so once, and is back when that one has gone', async () => {
    await using world = new MembershipWorld()
    const first = world.host()
    await first.join()
    first.store.cut()
    world.data.endLease(KEY)
    await settled()
    const second = world.host(ELSEWHERE)
    await second.join()
    first.store.mend()
    await world.clock.advance(60_000)
    expect(first.membership.status()).toMatchObject({
      registered: false,
      conflict: nodeEntry(ELSEWHERE),
    })
    const errors = first.log.lines.filter(line => line.startsWith('error'))
    expect(errors).toEqual([expect.stringContaining('10.0.0.2:9090 (run second')])
    await second.membership.leave()
    await settled()
    expect(await world.entry()).toEqual(nodeEntry())
    expect(first.membership.status()).toMatchObject({ registered: true, conflict: undefined })
  })
})
