import { describe, expect, it } from 'vitest'
import { runAtOnce } from '../../src/routing/slices.ts'
import type { Snapshot } from '../../src/xds/resource.ts'
import { Rollout } from '../../src/xds/rollout.ts'
import { buildRouting } from '../../src/xds/snapshot.ts'
import type { FunctionView } from '../../src/xds/view.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { functionAt, node } from './views.ts'

const routing = (functions: readonly FunctionView[]) => runAtOnce(buildRouting(functions, {}))
const everywhere = routing([functionAt('a', '/a')])
const other = routing([functionAt('a', '/b')])
const placed = routing([functionAt('a', '/a', { placement: { nodes: ['1'] } })])

function setup() {
  const clock = new FakeClock()
  const told: Snapshot[] = []
  const state = { isSettled: true }
  const rollout = new Rollout({
    clock,
    onChange: snapshot => void told.push(snapshot),
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
