import { describe, expect, it } from 'vitest'
import { ClusterWatch } from '../../src/control-plane/cluster-watch.ts'
import { MemoryStore } from '../../src/control-plane/memory/memory-store.ts'
import type { ClusterView } from '../../src/xds/view.ts'
import { FakeClock, settled } from '../helpers/fake-clock.ts'
import { RecordedLog } from './recorded-log.ts'
import { SwitchedStore } from './switched-store.ts'

const NODE = JSON.stringify({
  address: '10.0.0.1',
  port: 8080,
  state: 'ready',
  run: 'first',
  version: '1.0.0',
  startedAt: '2026-11-21T10:00:00.000Z',
})

const functionAt = (path: string) => JSON.stringify({ manifest: { path } })

function setup(onChange?: () => void) {
  const store = new SwitchedStore()
  const log = new RecordedLog()
  const views: ClusterView[] = []
  const clock = new FakeClock()
  const watch = new ClusterWatch({
    store,
    log,
    functionTimeoutMs: 30_000,
    clock,
    random: () => 0.5,
    onChange: view => {
      views.push(view)
      onChange?.()
    },
  })
  return { clock, store, log, views, watch, put: store.store.put.bind(store.store) }
}

const ids = (view: ClusterView | undefined) => view?.functions.map(({ id }) => id)

describe('the watch of a cluster', () => {
  it('tells nodes and functions together, functions in the order of their ids', async () => {
    const { store, views, watch, put } = setup()
    await put('fezz/v1/functions/b', functionAt('/b'))
    await put('fezz/v1/nodes/n1', NODE)
    await watch.start()
    await put('fezz/v1/functions/a', functionAt('/a'))
    await expect.poll(() => ids(views.at(-1))).toEqual(['a', 'b'])
    expect(ids(views[0])).toEqual(['b'])
    expect(views.map(({ nodes }) => nodes.map(({ id }) => id))).toEqual([['n1'], ['n1']])
    await watch.close()
    await store.close()
  })

  it('gives what has not changed as the same array', async () => {
    const { store, views, watch, put } = setup()
    await put('fezz/v1/nodes/n1', NODE)
    await watch.start()
    await put('fezz/v1/functions/a', functionAt('/a'))
    await expect.poll(() => ids(views.at(-1))).toEqual(['a'])
    await put('fezz/v1/nodes/n2', NODE)
    await expect.poll(() => views.at(-1)?.nodes.length).toBe(2)
    const [first, second, third] = views
    expect(second?.nodes).toBe(first?.nodes)
    expect(third?.functions).toBe(second?.functions)
    await watch.close()
    await store.close()
  })

  it('tells a node that vanishes for another 10 s, unless it was draining', async () => {
    const { clock, store, views, watch, put } = setup()
    const nodes = () => views.at(-1)?.nodes.map(({ id }) => id)
    await put('fezz/v1/nodes/dead', NODE)
    await put('fezz/v1/nodes/back', NODE)
    await put('fezz/v1/nodes/gone', NODE.replace('ready', 'draining'))
    await watch.start()
    for (const id of ['dead', 'back', 'gone']) await store.store.delete(`fezz/v1/nodes/${id}`)
    await settled()
    expect(nodes()).toEqual(['back', 'dead'])
    await put('fezz/v1/nodes/back', NODE)
    await clock.advance(9_999)
    expect(nodes()).toEqual(['back', 'dead'])
    await clock.advance(1)
    expect(nodes()).toEqual(['back'])
    await clock.advance(100_000)
    expect(nodes()).toEqual(['back'])
    await watch.close()
    expect(clock.pending).toBe(0)
    await store.close()
  })

  it('goes on telling functions that the store has lost, as long as hosts serve them', async () => {
    const { clock, store, views, watch, put } = setup()
    await put('fezz/v1/functions/a', functionAt('/a'))
    await put('fezz/v1/functions/b', functionAt('/b'))
    await watch.start()
    store.cut()
    await settled()
    store.store = new MemoryStore()
    store.mend()
    await clock.advance(2_000)
    expect(watch.connected).toBe(true)
    await clock.advance(60_000)
    expect(ids(views.at(-1))).toEqual(['a', 'b'])
    await store.store.put('fezz/v1/functions/a', functionAt('/a2'))
    await clock.advance(9_000)
    expect(ids(views.at(-1))).toEqual(['a', 'b'])
    await clock.advance(1_000)
    await expect.poll(() => ids(views.at(-1))).toEqual(['a'])
    await watch.close()
    expect(clock.pending).toBe(0)
    await store.close()
  })

  it('goes on after a change that could not be told', async () => {
    let fails = false
    const { store, log, views, watch, put } = setup(() => {
      if (fails) throw new Error('no')
    })
    await watch.start()
    fails = true
    await put('fezz/v1/functions/a', functionAt('/a'))
    await expect
      .poll(() => log.lines)
      .toEqual(['error: a change of the functions could not be told'])
    fails = false
    await put('fezz/v1/functions/b', functionAt('/b'))
    await expect.poll(() => ids(views.at(-1))).toEqual(['a', 'b'])
    await watch.close()
    await store.close()
  })

  it('tells nothing after a close, and says so to whoever waits for the store', async () => {
    const { store, views, watch, put } = setup()
    store.cut()
    const started = watch.start()
    await settled()
    await Promise.all([watch.close(), watch.close()])
    await expect(started).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await put('fezz/v1/nodes/n1', NODE)
    await settled()
    expect(views).toEqual([])
    await store.close()
  })
})
