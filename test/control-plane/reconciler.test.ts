/*
 * Interleavings that must come out right; the number is in the name of the test.
 *
 *  1. The store changes while a deploy is in flight, another function: it does not wait.
 *  2. The store changes while a deploy is in flight, the same function: the later version wins,
 *     whatever becomes of the earlier one, also when that fails late.
 *  3. A function is removed while its new version loads.
 *  4. A function is removed and comes back while the removal is in flight.
 *  5. One of several in a deploy fails: the others are in force, it alone is a problem.
 *  6. An entry changes while the retry of its failed version is due, and while it is in flight.
 *  7. An entry goes back to what it was, before and after that was sent.
 *  8. Changes come while earlier ones are parsed: they are applied after them.
 *  9. The deploys in flight end in another order than they began: the revision waits for the first.
 * 10. The store is lost during the start: before it answers, and just after.
 * 11. The store answers while the functions of the snapshot are being deployed.
 * 12. Close during the start, during a deploy, and while a retry is due.
 * 13. The store comes back with less than it had (wiped, backup), at once or while this host is down.
 */
import { writeFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { FezzError } from '../../src/errors.ts'
import { settled } from '../helpers/fake-clock.ts'
import { watch } from '../helpers/watch.ts'
import { entryOf, ReconcilerWorld } from './reconciler-world.ts'

const ELSEWHERE = { placement: { nodes: ['node-2'] } }

describe('a reconciler', () => {
  it('starts with all that is placed on its node, as one deploy', async () => {
    await using world = new ReconcilerWorld()
    await world.put('a', '1')
    await world.put('here', '1', { placement: { nodes: ['node-1'] } })
    await world.put('there', '1', { placement: { nodes: ['node-2'] } })
    await world.put('fast', '1', { placement: { labels: { disk: 'ssd' } } })
    await world.put('big', '1', { placement: { labels: { disk: 'hdd' } } })
    const reconciler = world.open()
    expect(await world.start(reconciler)).toBe('store')
    expect(world.host.told()).toEqual(['a@1 fast@1 here@1'])
    expect(reconciler.status()).toMatchObject({
      connected: true,
      revision: '5',
      lagMs: 0,
      functions: 3,
      problems: [],
      problemCount: 0,
      startedFrom: 'store',
      suspect: false,
    })
    expect(world.applied).toBe(1)
  })

  it('starts with an empty store, and joins those who start it', async () => {
    await using world = new ReconcilerWorld()
    const reconciler = world.open()
    expect(reconciler.start()).toBe(reconciler.start())
    expect(await world.start(reconciler)).toBe('store')
    expect(world.host.told()).toEqual([])
    expect(reconciler.status()).toMatchObject({ revision: '0', functions: 0, suspect: false })
  })

  it('deploys what changes, and nothing else', async () => {
    await using world = new ReconcilerWorld()
    for (const id of ['a', 'b', 'c']) await world.put(id, '1')
    const reconciler = await world.started()
    await world.put('b', '2')
    await world.arrive()
    expect(world.host.told()).toEqual(['b@2'])
    await world.delete('c')
    await world.arrive()
    expect(world.host.told()).toEqual(['-c'])
    expect(reconciler.status()).toMatchObject({ revision: '5', functions: 2 })
    expect(world.running).toEqual({ a: '1', b: '2' })
  })

  it('sends changes that come close together as one, after at most 50 ms', async () => {
    await using world = new ReconcilerWorld()
    await world.started()
    for (let n = 1; n <= 30; n++) {
      await world.put(n % 2 ? 'a' : 'b', String(n))
      await world.clock.advance(4)
    }
    await world.arrive()
    expect(world.host.told()).toEqual(['a@13 b@12', 'b@26 a@25', 'a@29 b@30'])
  })

  it('moves a function as its placement says', async () => {
    await using world = new ReconcilerWorld()
    await world.put('a', '1')
    const reconciler = await world.started()
    await world.put('a', '2', { placement: { nodes: ['node-2'] } })
    await world.arrive()
    await world.clock.advance(3_000)
    expect(world.host.told()).toEqual(['-a'])
    await world.put('a', '3', { placement: { nodes: ['node-2', 'node-1'] } })
    await world.arrive()
    await world.put('a', '3', { placement: {} })
    await world.arrive()
    expect(world.host.told()).toEqual(['a@3'])
    expect(reconciler.status()).toMatchObject({ functions: 1, revision: '4' })
  })

  it('goes on with a function that is placed elsewhere for 3 s, and nobody waits for that', async () => {
    await using world = await ReconcilerWorld.withSnapshot()
    await world.put('a', '1')
    await world.put('b', '1')
    const reconciler = await world.started()
    await world.put('a', '2', ELSEWHERE)
    await world.put('b', '1', ELSEWHERE)
    await world.arrive()
    expect(world.running).toEqual({ a: '1', b: '1' })
    expect(reconciler.status()).toMatchObject({ revision: '4', lagMs: 0, functions: 2 })
    const before = world.applied
    await world.clock.advance(2_999)
    expect(world.host.told()).toEqual([])
    await world.clock.advance(1)
    expect(world.host.told()).toEqual(['-a -b'])
    expect(reconciler.status()).toMatchObject({ revision: '4', functions: 0 })
    expect(world.applied).toBe(before + 1)
    // The next one of this host has nothing to go on with.
    await reconciler.close()
    const next = world.open()
    await world.start(next)
    expect(world.host.told()).toEqual([])
    await next.close()
    expect(world.clock.pending).toBe(0)
  })

  it('ends the time of a function that is placed elsewhere with what is said of it next', async () => {
    await using world = new ReconcilerWorld()
    for (const id of ['back', 'gone', 'on', 'new']) await world.put(id, '1')
    const reconciler = await world.started()
    for (const id of ['back', 'gone', 'on', 'new']) await world.put(id, '1', ELSEWHERE)
    await world.arrive()
    await world.clock.advance(1_000)
    await world.put('back', '1')
    await world.put('new', '2')
    await world.put('on', '1', { placement: { nodes: ['node-3'] } })
    await world.delete('gone')
    await world.arrive()
    expect(world.host.told()).toEqual(['new@2 -gone'])
    await world.clock.advance(2_000)
    // Another change elsewhere gives it no more time.
    expect(world.host.told()).toEqual(['-on'])
    await world.clock.advance(10_000)
    expect(world.running).toEqual({ back: '1', new: '2' })
    await world.put('back', '1', ELSEWHERE)
    await world.arrive()
    await world.clock.advance(2_999)
    expect(world.running).toEqual({ back: '1', new: '2' })
    await reconciler.close()
    expect(world.clock.pending).toBe(0)
  })

  it('does not begin with what moves elsewhere before it is in force, and what fails then is no problem', async () => {
    await using world = new ReconcilerWorld()
    await world.put('old', '1')
    const reconciler = await world.started()
    const hurry = world.host.slow('new@1')
    await world.put('new', '1')
    await world.arrive()
    world.host.failing.add('old@2')
    await world.put('old', '2')
    await world.arrive()
    expect(reconciler.status().problemCount).toBe(1)
    await world.put('new', '1', ELSEWHERE)
    await world.put('old', '2', ELSEWHERE)
    await world.arrive()
    expect(world.host.told().at(-1)).toBe('-new')
    expect(reconciler.status().problemCount).toBe(0)
    hurry()
    await world.clock.advance(0)
    expect(world.running).toEqual({ old: '1' })
    await world.clock.advance(70_000)
    expect(world.running).toEqual({})
    expect(reconciler.status()).toMatchObject({ functions: 0, problemCount: 0 })
    await reconciler.close()
    expect(world.clock.pending).toBe(0)
  })

  it('retries a removal that fails when the time is over', async () => {
    await using world = new ReconcilerWorld()
    await world.put('a', '1')
    const reconciler = await world.started()
    await world.put('a', '1', ELSEWHERE)
    await world.arrive()
    world.host.isBroken = true
    await world.clock.advance(3_000)
    expect(reconciler.status().problems).toMatchObject([{ id: 'a' }])
    world.host.isBroken = false
    await world.clock.advance(2_000)
    expect(world.running).toEqual({})
    expect(reconciler.status()).toMatchObject({ functions: 0, problemCount: 0 })
  })

  it('does not deploy what has the same content, and counts its revision', async () => {
    await using world = new ReconcilerWorld()
    await world.put('a', '1')
    const reconciler = await world.started()
    await world.put('a', '1')
    await world.putText('a', JSON.stringify(JSON.parse(entryOf('1')), null, 2))
    await world.arrive()
    expect(world.host.told()).toEqual([])
    expect(reconciler.status()).toMatchObject({ revision: '3', lagMs: 0 })
  })

  it('keeps the last good version of an entry that is wrong, and says so once', async () => {
    await using world = new ReconcilerWorld()
    await world.put('a', '1')
    await world.putText('b', 'not JSON')
    const reconciler = await world.started()
    await world.putText('a', '{"manifest":{"path":7}}')
    await world.put('c', '1')
    await world.arrive()
    expect(world.host.told()).toEqual(['c@1'])
    expect(world.running).toEqual({ a: '1', c: '1' })
    const status = reconciler.status()
    expect(status.problems.map(({ id }) => id)).toEqual(['b', 'a'])
    expect(status).toMatchObject({ problemCount: 2, revision: '4', lagMs: 0 })
    expect(world.log.lines).toHaveLength(2)
    await world.put('a', '1')
    await world.delete('b')
    await world.arrive()
    expect(world.host.told()).toEqual([])
    expect(reconciler.status()).toMatchObject({ problems: [], problemCount: 0 })
  })

  it('reports an entry without code, and keeps the version before it', async () => {
    await using world = new ReconcilerWorld()
    await world.put('a', '1')
    await world.put('b', '1', { code: undefined })
    const reconciler = await world.started()
    await world.put('a', '2', { code: undefined })
    await world.put('elsewhere', '2', { code: undefined, placement: { nodes: ['x'] } })
    await world.arrive()
    expect(world.host.told()).toEqual([])
    expect(reconciler.status().problems).toEqual([
      {
        id: 'b',
        message: 'function "b" has no artifact and no image; fezz apply makes an artifact',
      },
      {
        id: 'a',
        message: 'function "a" has no artifact and no image; fezz apply makes an artifact',
      },
    ])
    await world.put('b', '2')
    await world.put('a', '3', { code: undefined, placement: { nodes: ['x'] } })
    await world.arrive()
    expect(world.host.told()).toEqual(['b@2'])
    expect(reconciler.status().problems).toEqual([])
    await world.clock.advance(3_000)
    expect(world.host.told()).toEqual(['-a'])
  })

  it('reports code that a host cannot have as a problem of that entry', async () => {
    await using world = new ReconcilerWorld()
    await world.put('a', '1')
    const reconciler = await world.started({
      codeOf: () => {
        throw new FezzError('INVALID_ENTRY', 'no such scheme')
      },
    })
    expect(reconciler.status().problems).toEqual([{ id: 'a', message: 'no such scheme' }])
  })

  it('lists 100 problems and counts all', async () => {
    await using world = new ReconcilerWorld()
    for (let n = 0; n < 150; n++) await world.putText(`f${n}`, 'x')
    const status = (await world.started()).status()
    expect(status.problems).toHaveLength(100)
    expect(status.problemCount).toBe(150)
  })

  it('goes on when whoever follows its status throws', async () => {
    await using world = new ReconcilerWorld()
    await world.started({
      onApplied: () => {
        throw new Error('of the follower')
      },
    })
    await world.put('a', '1')
    await world.arrive()
    await world.put('a', '2')
    await world.arrive()
    expect(world.running).toEqual({ a: '2' })
  })

  it('catches up after an outage with one deploy of the difference', async () => {
    await using world = new ReconcilerWorld()
    for (const id of ['a', 'b', 'c']) await world.put(id, '1')
    const reconciler = await world.started()
    world.store.cut()
    await settled()
    await world.put('a', '2')
    await world.delete('b')
    await world.put('d', '1')
    await world.clock.advance(30_000)
    expect(reconciler.status().connected).toBe(false)
    expect(world.host.told()).toEqual([])
    world.store.mend()
    await world.clock.advance(2_000)
    expect(world.host.told()).toEqual(['a@2 d@1 -b'])
    const status = reconciler.status()
    expect(status).toMatchObject({ connected: true, revision: '6' })
    expect(status.listings.get('unavailable')).toBe(1)
  })

  it('mends with the periodic compare what the watch has missed', async () => {
    await using world = new ReconcilerWorld()
    const reconciler = await world.started({ compareEveryMs: 10_000 })
    world.store.isMuted = true
    await world.put('a', '1')
    await world.clock.advance(9_100)
    expect(world.running).toEqual({ a: '1' })
    expect(reconciler.status().repaired).toBe(1)
  })
})

describe('a reconciler with deploys in flight', () => {
  it('1: does not let one function wait for another', async () => {
    await using world = new ReconcilerWorld()
    await world.put('a', '1')
    const reconciler = await world.started()
    const loaded = world.host.slow('a@2')
    await world.put('a', '2')
    await world.arrive()
    await world.put('b', '1')
    await world.arrive()
    expect(world.host.told()).toEqual(['a@2', 'b@1'])
    expect(world.running).toEqual({ a: '1', b: '1' })
    await world.clock.advance(1_000)
    // 9: the revision of b is not reached before that of a.
    expect(reconciler.status()).toMatchObject({ revision: '1', functions: 2 })
    expect(reconciler.status().lagMs).toBeGreaterThan(1_000)
    loaded()
    await settled()
    expect(reconciler.status()).toMatchObject({ revision: '3', lagMs: 0 })
    expect(world.running).toEqual({ a: '2', b: '1' })
  })

  it.each([true, false])(
    '2: lets the later version win (the earlier one fails: %s)',
    async fails => {
      await using world = new ReconcilerWorld()
      await world.put('a', '1')
      const reconciler = await world.started()
      const loaded = world.host.slow('a@2')
      if (fails) world.host.failing.add('a@2')
      await world.put('a', '2')
      await world.arrive()
      await world.put('a', '3')
      await world.arrive()
      expect(world.running).toEqual({ a: '3' })
      expect(reconciler.status().revision).toBe('1')
      loaded()
      await world.clock.advance(120_000)
      expect(world.running).toEqual({ a: '3' })
      expect(reconciler.status()).toMatchObject({ revision: '3', problems: [], functions: 1 })
      expect(world.host.told()).toEqual(['a@2', 'a@3'])
    },
  )

  it('2: takes no interest in a failure that is told after the next version is in force', async () => {
    await using world = new ReconcilerWorld()
    // A host that reports also what a later deploy has made void.
    const outcomes: PromiseWithResolvers<{ id: string; error: unknown }[]>[] = []
    const deploy = () => {
      const outcome = Promise.withResolvers<{ id: string; error: unknown }[]>()
      outcomes.push(outcome)
      return outcome.promise
    }
    const reconciler = await world.started({ target: { deploy } })
    await world.put('a', '1')
    await world.arrive()
    await world.put('a', '2')
    await world.arrive()
    outcomes[1]?.resolve([])
    await settled()
    outcomes[0]?.resolve([{ id: 'a', error: new Error('late') }])
    await world.clock.advance(120_000)
    expect(outcomes).toHaveLength(2)
    expect(reconciler.status()).toMatchObject({ revision: '2', problems: [], functions: 1 })
  })

  it('2: does not queue up versions that come faster than they load', async () => {
    await using world = new ReconcilerWorld()
    const reconciler = await world.started()
    const loaded = ['2', '3'].map(version => world.host.slow(`a@${version}`))
    for (const version of ['2', '3', '4', '5', '6']) {
      await world.put('a', version)
      await world.arrive()
    }
    expect(world.host.told()).toEqual(['a@2', 'a@3'])
    expect(reconciler.status().revision).toBe('0')
    loaded[0]?.()
    await settled()
    expect(world.host.told()).toEqual(['a@6'])
    expect(reconciler.status().revision).toBe('1')
    loaded[1]?.()
    await settled()
    expect(world.running).toEqual({ a: '6' })
    expect(reconciler.status()).toMatchObject({ revision: '5', lagMs: 0, functions: 1 })
    await world.clock.advance(120_000)
    expect(world.host.told()).toEqual([])
  })

  it('2: does not let others wait for what has to wait for a load', async () => {
    await using world = new ReconcilerWorld()
    const reconciler = await world.started()
    const loaded = world.host.slow('a@2')
    await world.put('a', '2')
    await world.arrive()
    await world.put('a', '3')
    await world.put('b', '1')
    await world.arrive()
    expect(world.host.told()).toEqual(['a@2', 'b@1', 'a@3'])
    loaded()
    await settled()
    expect(reconciler.status()).toMatchObject({ revision: '3', functions: 2 })
  })

  it('2: forgets what waits when the entry is back at what was sent', async () => {
    await using world = new ReconcilerWorld()
    const reconciler = await world.started()
    const loaded = ['2', '3'].map(version => world.host.slow(`a@${version}`))
    for (const version of ['2', '3', '4', '3']) {
      await world.put('a', version)
      await world.arrive()
    }
    for (const load of loaded) load()
    await settled()
    expect(world.host.told()).toEqual(['a@2', 'a@3'])
    expect(world.running).toEqual({ a: '3' })
    expect(reconciler.status()).toMatchObject({ revision: '4', lagMs: 0 })
  })

  it('3: removes a function whose new version still loads', async () => {
    await using world = new ReconcilerWorld()
    await world.put('a', '1')
    const reconciler = await world.started()
    const loaded = world.host.slow('a@2')
    await world.put('a', '2')
    await world.arrive()
    await world.delete('a')
    await world.arrive()
    expect(world.running).toEqual({})
    loaded()
    await world.clock.advance(120_000)
    expect(world.running).toEqual({})
    expect(world.host.told()).toEqual(['a@2', '-a'])
    expect(reconciler.status()).toMatchObject({ revision: '3', functions: 0, problems: [] })
  })

  it('4: brings a function back whose removal is in flight', async () => {
    await using world = new ReconcilerWorld()
    await world.put('a', '1')
    await world.put('slow', '1')
    const reconciler = await world.started()
    const loaded = world.host.slow('slow@2')
    await world.delete('a')
    await world.put('slow', '2')
    await world.arrive()
    await world.put('a', '1')
    await world.arrive()
    expect(world.host.told()).toEqual(['slow@2 -a', 'a@1'])
    loaded()
    await settled()
    expect(world.running).toEqual({ a: '1', slow: '2' })
    expect(reconciler.status()).toMatchObject({ revision: '5', functions: 2 })
  })

  it('5: keeps the failure of one from the others, and retries it with growing waits', async () => {
    await using world = new ReconcilerWorld()
    await world.put('a', '1')
    const reconciler = await world.started()
    world.host.failing.add('a@2')
    await world.put('a', '2')
    await world.put('b', '1')
    await world.arrive()
    expect(world.running).toEqual({ a: '1', b: '1' })
    expect(world.host.told()).toEqual(['a@2 b@1'])
    expect(reconciler.status()).toMatchObject({
      revision: '3',
      functions: 2,
      problems: [{ id: 'a', message: 'a@2 could not be loaded' }],
    })
    const waits: number[] = []
    for (let last = world.clock.now(); waits.length < 8; ) {
      await world.clock.advance(100)
      if (world.host.told().length === 0) continue
      waits.push(Math.round((world.clock.now() - last) / 100) * 100)
      last = world.clock.now()
    }
    expect(waits).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
    expect(world.log.lines).toEqual([
      'warn: version 2 could not be put in force; the one before goes on, and it is retried',
    ])
    world.host.failing.clear()
    world.applied = 0
    await world.clock.advance(60_000)
    expect(world.running).toEqual({ a: '2', b: '1' })
    expect(world.host.told()).toEqual(['a@2'])
    expect(reconciler.status().problems).toEqual([])
    expect(world.log.lines[1]).toBe('info: in force at last')
    expect(world.applied).toBe(1)
  })

  it('6: gives up a version that fails for the next one, and begins with short waits again', async () => {
    await using world = new ReconcilerWorld()
    const reconciler = await world.started()
    world.host.failing.add('a@1').add('a@2')
    await world.put('a', '1')
    await world.clock.advance(40_000)
    await world.put('a', '2')
    await world.arrive()
    world.host.told()
    await world.clock.advance(600)
    expect(world.host.told()).toEqual(['a@2'])
    // The retry is in flight when the entry changes.
    const loaded = world.host.slow('a@2')
    await world.clock.advance(1_000)
    expect(world.host.inFlight).toBe(1)
    await world.put('a', '3')
    await world.arrive()
    loaded()
    await world.clock.advance(120_000)
    expect(world.host.told()).toEqual(['a@2', 'a@3'])
    expect(world.running).toEqual({ a: '3' })
    expect(reconciler.status()).toMatchObject({ problems: [], functions: 1 })
  })

  it('6: removes a function whose version fails', async () => {
    await using world = new ReconcilerWorld()
    const reconciler = await world.started()
    world.host.failing.add('a@1')
    await world.put('a', '1')
    await world.arrive()
    await world.delete('a')
    await world.clock.advance(120_000)
    expect(world.host.told()).toEqual(['a@1', '-a'])
    expect(reconciler.status()).toMatchObject({ problems: [], functions: 0 })
  })

  it('7: sends nothing for what is taken back in time, and the old version for what is not', async () => {
    await using world = new ReconcilerWorld()
    await world.put('a', '1')
    await world.started()
    await world.put('a', '2')
    await world.put('a', '1')
    await world.put('b', '1')
    await world.delete('b')
    await world.arrive()
    expect(world.host.told()).toEqual([])
    const loaded = world.host.slow('a@2')
    await world.put('a', '2')
    await world.arrive()
    await world.put('a', '1')
    await world.arrive()
    loaded()
    await settled()
    expect(world.host.told()).toEqual(['a@2', 'a@1'])
    expect(world.running).toEqual({ a: '1' })
  })

  it('8: applies in order what comes while 3,000 entries are parsed', async () => {
    await using world = new ReconcilerWorld()
    const reconciler = await world.started()
    for (let n = 0; n < 3_000; n++) await world.put(`f${n}`, '1')
    const advancing = world.clock.advance(5)
    await world.put('f0', '2')
    await world.delete('f1')
    await advancing
    await world.until(() => reconciler.status().revision === '3002', 5)
    expect(world.host.running.get('f0')).toBe('2')
    expect(world.host.running.has('f1')).toBe(false)
    expect(reconciler.status()).toMatchObject({ functions: 2_999, revision: '3002' })
  })

  it('8: applies what comes while the first listing is parsed', async () => {
    await using world = new ReconcilerWorld()
    for (let n = 0; n < 3_000; n++) await world.put(`f${n}`, '1')
    const reconciler = world.open()
    const starting = watch(reconciler.start())
    await world.until(() => world.store.openWatches > 0)
    expect(world.host.deploys).toEqual([])
    await world.put('f0', '2')
    await world.until(() => starting.state === 'fulfilled')
    await world.until(() => reconciler.status().revision === '3001', 5)
    expect(world.host.deploys).toHaveLength(2)
    expect(world.host.deploys[1]).toBe('f0@2')
  })

  it('retries a deploy that failed as a whole, removals too, as one deploy, and logs it in one line', async () => {
    await using world = new ReconcilerWorld()
    await world.put('c', '1')
    const reconciler = await world.started()
    world.host.isBroken = true
    await world.put('a', '1')
    await world.put('b', '1')
    await world.delete('c')
    await world.arrive()
    expect(reconciler.status()).toMatchObject({ problemCount: 3, functions: 1 })
    expect(world.log.lines).toEqual(['error: a change failed as a whole; retrying'])
    world.host.isBroken = false
    await world.clock.advance(1_000)
    expect(world.host.told()).toEqual(['a@1 b@1 -c', 'a@1 b@1 -c'])
    expect(reconciler.status()).toMatchObject({ problemCount: 0, functions: 2, revision: '4' })
  })
})

describe('a reconciler that starts', () => {
  it('10: takes the snapshot when the store does not answer in time, and then converges', async () => {
    await using world = await ReconcilerWorld.withSnapshot()
    for (const id of ['a', 'b', 'c']) await world.put(id, '1')
    await world.put('there', '1', { placement: { nodes: ['node-2'] } })
    await (await world.started()).close()
    world.store.cut()
    const reconciler = world.open()
    expect(await world.start(reconciler)).toBe('snapshot')
    expect(world.host.told()).toEqual(['a@1 b@1 c@1'])
    expect(reconciler.status()).toMatchObject({
      connected: false,
      revision: '4',
      functions: 3,
      startedFrom: 'snapshot',
    })
    expect(reconciler.status().snapshotSavedAtMs).toBeGreaterThan(Date.now() - 60_000)
    expect(world.log.lines.at(-1)).toMatch(
      /^warn: the store does not answer: starting from the snapshot of 20/,
    )
    await world.put('a', '2')
    await world.delete('b')
    await world.clock.advance(10_000)
    world.store.mend()
    await world.clock.advance(2_010)
    expect(world.host.told()).toEqual(['a@2 -b'])
    expect(reconciler.status()).toMatchObject({
      connected: true,
      revision: '6',
      startedFrom: 'snapshot',
      suspect: false,
    })
  })

  it('waits no longer than its patience for a store that hangs', async () => {
    await using world = await ReconcilerWorld.withSnapshot()
    await world.put('a', '1')
    await (await world.started()).close()
    world.store.hangs = true
    world.store.listings = 0
    const reconciler = world.open({ patienceMs: 300 })
    const starting = watch(reconciler.start())
    await world.until(() => world.store.listings > 0)
    await world.clock.advance(299)
    expect(world.host.told()).toEqual([])
    await world.clock.advance(1)
    expect(world.host.told()).toEqual(['a@1'])
    expect(starting).toMatchObject({ state: 'fulfilled', value: 'snapshot' })
  })

  it('prefers the store, and deploys once', async () => {
    await using world = await ReconcilerWorld.withSnapshot()
    await world.put('a', '1')
    await world.put('b', '1')
    await (await world.started()).close()
    await world.put('a', '2')
    await world.delete('b')
    await world.put('c', '1')
    expect(await world.start(world.open())).toBe('store')
    expect(world.host.told()).toEqual(['a@2 c@1'])
  })

  it('has the last good version of an entry that went wrong, from the snapshot', async () => {
    await using world = await ReconcilerWorld.withSnapshot()
    await world.put('a', '1')
    await world.put('b', '1')
    const first = await world.started()
    await world.putText('a', 'no JSON')
    await world.put('b', '2', { code: undefined })
    await world.arrive()
    await first.close()
    // With the store up.
    const second = await world.started()
    expect(world.running).toEqual({ a: '1', b: '1' })
    expect(second.status().problemCount).toBe(2)
    await second.close()
    // And down.
    world.store.cut()
    await world.started()
    expect(world.running).toEqual({ a: '1', b: '1' })
  })

  it('saves every change, not only the first state', async () => {
    await using world = await ReconcilerWorld.withSnapshot()
    await world.put('a', '1')
    const first = await world.started()
    expect(first.status()).toMatchObject({ snapshotSavedAtMs: undefined, snapshotError: undefined })
    await world.clock.advance(1_000)
    await world.until(() => first.status().snapshotSavedAtMs !== undefined)
    await world.put('b', '1')
    await world.arrive()
    await first.close()
    world.store.cut()
    await world.start(world.open())
    expect(world.running).toEqual({ a: '1', b: '1' })
  })

  it('waits for the store as long as it takes when there is no snapshot, and says so', async () => {
    await using world = await ReconcilerWorld.withSnapshot()
    await world.put('a', '1')
    world.store.cut()
    const reconciler = world.open()
    const starting = watch(reconciler.start())
    const deadline = performance.now() + 10_000
    while (
      !world.log.lines.some(line => line.includes('no snapshot')) &&
      performance.now() < deadline
    ) {
      await world.clock.advance(100)
    }
    await world.clock.advance(100_000)
    expect(starting.state).toBe('waiting')
    expect(world.log.lines.filter(line => line.includes('no snapshot'))).toHaveLength(4)
    world.store.mend()
    await world.clock.advance(2_000)
    expect(starting).toMatchObject({ state: 'fulfilled', value: 'store' })
    expect(world.running).toEqual({ a: '1' })
  })

  it.each([
    ['damaged', 'x', /the snapshot is not used: it is not a snapshot of Fezz/],
    ['of another store', undefined, /the snapshot is not used: it is of memory:, not etcd:/],
  ])('does not use a snapshot that is %s', async (_, content, message) => {
    await using world = await ReconcilerWorld.withSnapshot()
    await world.put('a', '1')
    await (await world.started()).close()
    if (content !== undefined) await writeFile(world.snapshotFile as string, content)
    await world.delete('a')
    const reconciler = world.open(content === undefined ? { storeLabel: 'etcd:' } : {})
    expect(await world.start(reconciler)).toBe('store')
    expect(world.host.told()).toEqual([])
    expect(world.log.lines[0]).toMatch(message)
    expect(reconciler.status().suspect).toBe(false)
  })

  it('10: survives a store that is lost right after its first answer', async () => {
    await using world = new ReconcilerWorld()
    await world.put('a', '1')
    world.store.watchesEnd = 'STORE_UNAVAILABLE'
    const reconciler = world.open()
    expect(await world.start(reconciler)).toBe('store')
    expect(world.running).toEqual({ a: '1' })
    await world.put('a', '2')
    await world.clock.advance(2_000)
    expect(world.running).toEqual({ a: '2' })
  })

  it('11: applies what the store says while the snapshot is being deployed', async () => {
    await using world = await ReconcilerWorld.withSnapshot()
    await world.put('a', '1')
    await world.put('b', '1')
    await (await world.started()).close()
    world.store.cut()
    await world.put('b', '2')
    const reconciler = world.open()
    const loaded = world.host.slow('a@1')
    const starting = watch(reconciler.start())
    await world.until(() => world.host.deploys.length > 0, 50)
    world.store.mend()
    await world.clock.advance(2_100)
    expect(world.host.told()).toEqual(['a@1 b@1', 'b@2'])
    expect(starting.state).toBe('waiting')
    loaded()
    await settled()
    expect(starting).toMatchObject({ state: 'fulfilled', value: 'snapshot' })
    expect(world.running).toEqual({ a: '1', b: '2' })
    expect(reconciler.status()).toMatchObject({ revision: '3', functions: 2 })
  })
})

describe('a reconciler that closes', () => {
  it('12: ends a start that waits for the store', async () => {
    await using world = new ReconcilerWorld()
    world.store.cut()
    const reconciler = world.open()
    const starting = watch(reconciler.start())
    await world.clock.advance(5_000)
    await reconciler.close()
    await settled()
    expect(starting).toMatchObject({ state: 'rejected', error: { code: 'STORE_UNAVAILABLE' } })
    expect(world.clock.pending).toBe(0)
  })

  it('12: ends a start that waits for its deploy', async () => {
    await using world = new ReconcilerWorld()
    await world.put('a', '1')
    const reconciler = world.open()
    world.host.slow('a@1')
    const starting = watch(reconciler.start())
    await settled()
    expect(world.host.inFlight).toBe(1)
    await reconciler.close()
    await settled()
    expect(starting.state).toBe('rejected')
    expect(world.clock.pending).toBe(0)
  })

  it('12: before the start has read its snapshot', async () => {
    await using world = await ReconcilerWorld.withSnapshot()
    await world.put('a', '1')
    await (await world.started()).close()
    const reconciler = world.open()
    const starting = reconciler.start()
    await reconciler.close()
    await expect(starting).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(world.clock.pending).toBe(0)
    expect(world.host.told()).toEqual([])
  })

  it('12: leaves a deploy in flight to the host, and tells nothing more', async () => {
    await using world = await ReconcilerWorld.withSnapshot()
    await world.put('a', '1')
    const reconciler = await world.started()
    world.host.failing.add('a@2').add('b@1')
    await world.put('b', '1')
    await world.arrive()
    const loaded = world.host.slow('a@2')
    await world.put('a', '2')
    await world.arrive()
    await world.put('c', '1')
    world.host.told()
    const applied = world.applied
    await Promise.all([reconciler.close(), reconciler.close()])
    loaded()
    await world.clock.advance(120_000)
    expect(world.host.told()).toEqual([])
    expect(world.applied).toBe(applied)
    expect(world.clock.pending).toBe(0)
    expect(world.store.openWatches).toBe(0)
    // What was in the store by then is in the snapshot, though it failed here.
    world.store.cut()
    await world.start(world.open())
    expect(world.host.told()).toEqual(['a@2 b@1'])
  })
})

describe('a reconciler whose store has lost data', () => {
  const many = ['a', 'b', 'c']

  async function wiped(world: ReconcilerWorld) {
    for (const id of many) await world.put(id, '1')
    const reconciler = await world.started()
    world.wipe()
    await world.clock.advance(1_000)
    return reconciler
  }

  it('13: goes on with what it knew, and says what to do, once', async () => {
    await using world = await ReconcilerWorld.withSnapshot()
    const reconciler = await wiped(world)
    await world.clock.advance(600_000)
    expect(world.host.told()).toEqual([])
    expect(reconciler.status()).toMatchObject({
      connected: true,
      suspect: true,
      functions: 3,
      problemCount: 3,
    })
    const said = world.log.lines.filter(line => line.startsWith('error'))
    expect(said).toHaveLength(1)
    expect(said[0]).toMatch(/lost data.*fezz apply/)
  })

  it('13: is not convinced by a revision that other entries have counted up', async () => {
    await using world = new ReconcilerWorld()
    const reconciler = await wiped(world)
    for (let n = 0; n < 50; n++) await world.store.put('fezz/v1/status/x', String(n))
    world.store.interrupt('WATCH_LOST')
    await world.clock.advance(600_000)
    expect(world.running).toEqual({ a: '1', b: '1', c: '1' })
    expect(reconciler.status().suspect).toBe(true)
  })

  it('13: takes nothing down while functions are put back one by one; then what is still missing', async () => {
    await using world = new ReconcilerWorld()
    const reconciler = await wiped(world)
    await world.put('a', '1')
    await world.clock.advance(9_000)
    await world.put('b', '2')
    await world.clock.advance(9_000)
    expect(world.host.told()).toEqual(['b@2'])
    expect(reconciler.status()).toMatchObject({ suspect: true, functions: 3, revision: '2' })
    await world.clock.advance(1_100)
    expect(world.host.told()).toEqual(['-c'])
    expect(reconciler.status()).toMatchObject({ suspect: false, functions: 2, problems: [] })
  })

  it('13: believes a deletion that somebody makes afterwards', async () => {
    await using world = new ReconcilerWorld()
    const reconciler = await wiped(world)
    await world.put('a', '1')
    await world.arrive()
    await world.delete('a')
    await world.arrive()
    expect(world.host.told()).toEqual(['-a'])
    await world.clock.advance(60_000)
    expect(world.running).toEqual({ b: '1', c: '1' })
    expect(reconciler.status().suspect).toBe(true)
  })

  it('13: believes a backup that has less after 10 s', async () => {
    await using world = new ReconcilerWorld()
    for (const id of many) await world.put(id, '1')
    await world.started()
    world.wipe()
    await world.put('a', '0')
    await world.clock.advance(1_000)
    expect(world.host.told()).toEqual(['a@0'])
    await world.clock.advance(10_000)
    expect(world.host.told()).toEqual(['-b -c'])
  })

  it('13: does not settle while the store is away', async () => {
    await using world = new ReconcilerWorld()
    await wiped(world)
    await world.put('a', '2')
    await world.arrive()
    world.store.cut()
    await world.clock.advance(60_000)
    expect(world.running).toEqual({ a: '2', b: '1', c: '1' })
    world.store.mend()
    await world.clock.advance(12_100)
    expect(world.running).toEqual({ a: '2' })
  })

  it('13: knows it also when it was down meanwhile, and after a restart', async () => {
    await using world = await ReconcilerWorld.withSnapshot()
    for (const id of many) await world.put(id, '1')
    await (await world.started()).close()
    world.wipe()
    const second = world.open()
    expect(await world.start(second)).toBe('store')
    expect(world.running).toEqual({ a: '1', b: '1', c: '1' })
    expect(second.status().suspect).toBe(true)
    await second.close()
    for (let n = 0; n < 50; n++) await world.store.put('fezz/v1/status/x', String(n))
    const third = await world.started()
    expect(world.running).toEqual({ a: '1', b: '1', c: '1' })
    expect(third.status().suspect).toBe(true)
  })

  it('13: serves on when an empty store has a revision that went on', async () => {
    await using world = new ReconcilerWorld()
    for (const id of many) await world.put(id, '1')
    const reconciler = await world.started()
    world.store.cut()
    await settled()
    for (const id of many) await world.delete(id)
    world.store.mend()
    await world.clock.advance(60_000)
    expect(world.host.told()).toEqual([])
    expect(reconciler.status().suspect).toBe(true)
    await world.put('a', '2')
    await world.clock.advance(10_100)
    expect(world.running).toEqual({ a: '2' })
    expect(reconciler.status().suspect).toBe(false)
  })

  it('believes that all functions but one were deleted while nobody watched', async () => {
    await using world = new ReconcilerWorld()
    for (const id of many) await world.put(id, '1')
    await world.started()
    world.store.cut()
    await settled()
    await world.delete('a')
    await world.delete('b')
    world.store.mend()
    await world.clock.advance(1_000)
    expect(world.running).toEqual({ c: '1' })
  })
})
