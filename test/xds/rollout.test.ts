import { describe, expect, it } from 'vitest'
import { runAtOnce } from '../../src/routing/slices.ts'
import type { Snapshot } from '../../src/xds/resource.ts'
import { Rollout } from '../../src/xds/rollout.ts'
import { buildRouting, type Routing } from '../../src/xds/snapshot.ts'
import type { FunctionView } from '../../src/xds/view.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { functionAt, node } from './views.ts'

const routing = (functions: readonly FunctionView[], previous?: Routing) =>
  runAtOnce(buildRouting(functions, {}, previous))
const everywhere = routing([functionAt('a', '/a')])
const other = routing([functionAt('a', '/b')])
const onOne = functionAt('a', '/a', { placement: { nodes: ['1'] } })
const placed = routing([onOne])
const widened = routing([functionAt('a', '/a')], placed)
const withNew = routing([
  functionAt('a', '/a'),
  functionAt('b', '/b', { placement: { nodes: ['2'] } }),
])

function setup() {
  const clock = new FakeClock()
  const told: Snapshot[] = []
  const state = { isSettled: true, isWarm: false }
  const rollout = new Rollout({
    clock,
    onChange: snapshot => void told.push(snapshot),
    isWarm: () => state.isWarm,
    isSettled: () => state.isSettled,
  })
  return { clock, rollout, state, last: () => told.at(-1)!, told }
}

describe('a rollout', () => {
  it('tells the first routing whole', () => {
    const { rollout, last } = setup()
    rollout.setNodes([node('1')])
    rollout.setRouting(placed)
    expect(last().clusters).toEqual(placed.clusters)
    expect(last().routes).toEqual(placed.routes)
  })

  it('switches routes at once where the clusters are known', () => {
    const { rollout, last } = setup()
    rollout.setRouting(everywhere)
    rollout.setRouting(other)
    expect(last().routes).toEqual(other.routes)
  })

  it('brings new clusters first, then the routes to them', async () => {
    const { clock, rollout, last } = setup()
    rollout.setRouting(everywhere)
    rollout.setRouting(placed)
    expect(last().clusters.size).toBe(3)
    expect(last().endpoints.size).toBe(3)
    expect(last().routes).toEqual(everywhere.routes)
    await clock.advance(1_000)
    expect(last().routes).toEqual(placed.routes)
  })

  it('brings the routes of new functions as soon as their clusters are in use', async () => {
    const { clock, rollout, last, state } = setup()
    rollout.setRouting(everywhere)
    rollout.setRouting(withNew)
    rollout.proceed()
    expect(last().routes).toEqual(everywhere.routes)
    state.isWarm = true
    rollout.proceed()
    expect(last().routes).toEqual(withNew.routes)
    expect(clock.pending).toBe(0)
  })

  it('gives hosts time for a function that moves to them, also where its cluster is in use', async () => {
    const { clock, rollout, last, state } = setup()
    state.isWarm = true
    rollout.setRouting(placed)
    rollout.setRouting(widened)
    rollout.proceed()
    await clock.advance(999)
    expect(last().routes).toEqual(placed.routes)
    await clock.advance(1)
    expect(last().routes).toEqual(widened.routes)
  })

  it('brings what came before a move without it, and what comes after it later', async () => {
    const { clock, rollout, last, state } = setup()
    const moved = routing([functionAt('a', '/a', { placement: { nodes: ['3'] } })], withNew)
    const later = routing([onOne, functionAt('c', '/c', { balance: 'spread' })])
    rollout.setRouting(everywhere)
    rollout.setRouting(withNew)
    await clock.advance(100)
    rollout.setRouting(moved)
    await clock.advance(100)
    rollout.setRouting(later)
    state.isWarm = true
    rollout.proceed()
    expect(last().routes).toEqual(withNew.routes)
    await clock.advance(900)
    expect(last().routes).toEqual(moved.routes)
    rollout.proceed()
    expect(last().routes).toEqual(later.routes)
  })

  it('is not held up by changes that go on and on', async () => {
    const { clock, rollout, last } = setup()
    rollout.setRouting(everywhere)
    const all: Routing[] = []
    for (let count = 0; count < 12; count++) {
      const functions = [functionAt('a', '/a', { placement: { nodes: [String(count)] } })]
      all.push(routing(functions, all.at(-1) ?? everywhere))
      rollout.setRouting(all.at(-1) as Routing)
      await clock.advance(100)
      const inForce = count < 9 ? everywhere : all[count - 9]
      expect(last().routes).toEqual(inForce?.routes)
    }
    await clock.advance(1_000)
    expect(last().routes).toEqual(all.at(-1)?.routes)
    rollout.close()
    expect(clock.pending).toBe(0)
  })

  it('takes clusters away last, and not while a client may still use them', async () => {
    const { clock, rollout, last, state } = setup()
    rollout.setRouting(placed)
    state.isSettled = false
    rollout.setRouting(everywhere)
    expect(last().routes).toEqual(everywhere.routes)
    await clock.advance(20_000)
    expect(last().clusters.size).toBe(3)
    state.isSettled = true
    await clock.advance(5_000)
    expect(last().clusters).toEqual(everywhere.clusters)
    expect(last().endpoints.size).toBe(2)
  })

  it('keeps a cluster that is wanted again before it was taken away', async () => {
    const { clock, rollout, last } = setup()
    rollout.setRouting(placed)
    rollout.setRouting(everywhere)
    await clock.advance(1_000)
    rollout.setRouting(placed)
    expect(last().routes).toEqual(placed.routes)
    await clock.advance(20_000)
    expect(last().clusters).toEqual(placed.clusters)
  })

  it('changes endpoints at once, whatever is under way, and leaves no timer behind', async () => {
    const { clock, rollout, told, last } = setup()
    rollout.setRouting(everywhere)
    rollout.setRouting(placed)
    const before = last()
    rollout.setNodes([node('1')])
    expect(last().endpoints).not.toEqual(before.endpoints)
    expect(told).toHaveLength(3)
    rollout.close()
    expect(clock.pending).toBe(0)
  })
})
