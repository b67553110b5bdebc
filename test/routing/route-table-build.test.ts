import { describe, expect, it } from 'vitest'
import type { RouteEntry } from '../../src/routing/route.ts'
import { RouteTable } from '../../src/routing/route-table.ts'

function entry<T>(path: string, target: T, host?: string): RouteEntry<T> {
  return { methods: ['GET'], path, host, priority: 0, target }
}

/** Turns that the event loop makes while `work` is under way. */
async function turnsDuring(work: () => Promise<unknown>, onTurn?: () => void): Promise<number> {
  let turns = 0
  let isDone = false
  const turn = () => {
    if (isDone) return
    turns++
    onTurn?.()
    setImmediate(turn)
  }
  setImmediate(turn)
  try {
    await work()
  } finally {
    isDone = true
  }
  return turns
}

const onHosts = Array.from({ length: 10_000 }, (_, index) => {
  const path = index % 2 === 0 ? `/fn-${index}` : `/fn-${index}/:x`
  return entry(path, index, `h${index % 1000}.example.com`)
})
const onOneHost = Array.from({ length: 10_000 }, (_, index) => entry(`/api/fn-${index}/:x`, index))

describe('RouteTable.build', () => {
  it('builds 10,000 routes on 1,000 hosts in slices', async () => {
    let table!: RouteTable<number>
    const turns = await turnsDuring(async () => {
      table = await RouteTable.build(onHosts, { sliceMs: 1 })
    })
    expect(turns).toBeGreaterThan(0)
    for (let index = 0; index < 10_000; index += 37) {
      const path = index % 2 === 0 ? `/fn-${index}` : `/fn-${index}/v`
      const host = `h${index % 1000}.example.com:8080`
      expect(table.find(path, 'GET', host)).toMatchObject({ kind: 'found', target: index })
      expect(table.find(path, 'GET', 'elsewhere.example.com').kind).toBe('not-found')
    }
  })

  it('finds each of 10,000 routes under one first segment', async () => {
    const table = await RouteTable.build(onOneHost)
    for (let index = 0; index < 10_000; index += 37) {
      const match = table.find(`/api/fn-${index}/v`, 'GET', 'any.test')
      expect(match).toEqual({ kind: 'found', target: index, params: { x: 'v' } })
    }
    expect(table.find('/api/fn-1/v', 'POST')).toMatchObject({ allow: ['GET', 'HEAD'] })
    expect(table.find('/api/fn-10000/v', 'GET').kind).toBe('not-found')
  })

  it('lets the event loop turn after each slice', async () => {
    const turns = await turnsDuring(() => RouteTable.build(onHosts.slice(0, 1_000), { sliceMs: 0 }))
    expect(turns).toBeGreaterThanOrEqual(200)
  })

  it('leaves the old table working while the new one is built', async () => {
    const old = await RouteTable.build(onHosts)
    const remove = onHosts.slice(0, 500)
    const add = remove.map(route => ({ ...route, target: -1 }))
    const answers = new Set<unknown>()
    await turnsDuring(
      () => old.change({ remove, add }, { sliceMs: 0 }),
      () =>
        answers.add((old.find('/fn-3/v', 'GET', 'h3.example.com') as { target: number }).target),
    )
    expect(answers).toEqual(new Set([3]))
  })

  it('gives up when the signal aborts, also under way', async () => {
    const reason = new Error('enough')
    await expect(RouteTable.build(onHosts, { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    )
    const controller = new AbortController()
    setImmediate(() => controller.abort(reason))
    await expect(RouteTable.build(onHosts, { sliceMs: 0, signal: controller.signal })).rejects.toBe(
      reason,
    )
  })

  it.each([
    ['path', { path: 'x' }, 'path "x"'],
    ['host', { host: 'a:1' }, 'host "a:1"'],
    ['priority', { priority: 0.5 }, 'priority 0.5'],
  ])('refuses a bad %s', async (_, change, problem) => {
    const bad = { ...entry('/x', 1), ...change }
    await expect(RouteTable.build([entry('/y', 1), bad])).rejects.toThrow(problem)
  })

  it('takes entries in any case of their host', async () => {
    const table = await RouteTable.build([entry('/x', 1, 'A.Test'), entry('/y', 2, 'a.test')])
    expect(table.find('/x', 'GET', 'a.test')).toMatchObject({ target: 1 })
    expect(table.find('/y', 'GET', 'a.test')).toMatchObject({ target: 2 })
  })
})

describe('RouteTable.change', () => {
  it('rebuilds one host when one of 1,000 has changed', async () => {
    const before = await RouteTable.build(onHosts)
    expect(before.routersBuilt).toBe(1000)
    const old = onHosts[4321]!
    const table = await before.change({ remove: [old], add: [{ ...old, target: -1 }] })
    expect(table.routersBuilt).toBe(1)
    expect(table.find('/fn-4321/v', 'GET', 'h321.example.com')).toMatchObject({ target: -1 })
    expect(before.find('/fn-4321/v', 'GET', 'h321.example.com')).toMatchObject({ target: 4321 })
  })

  it('rebuilds one part of a host with 10,000 routes when one has changed', async () => {
    const before = await RouteTable.build(onOneHost)
    expect(before.routersBuilt).toBeGreaterThan(50)
    const old = onOneHost[17]!
    const table = await before.change({ remove: [old], add: [{ ...old, target: -1 }] })
    expect(table.routersBuilt).toBe(1)
    expect(table.find('/api/fn-17/v', 'GET')).toMatchObject({ target: -1 })
    expect(table.find('/api/fn-18/v', 'GET')).toMatchObject({ target: 18 })
  })

  it.each([
    ['path', { path: '/y' }, '/y', 'GET', ''],
    ['methods', { methods: ['POST'] }, '/x', 'POST', ''],
    ['host', { host: 'a.test' }, '/x', 'GET', 'a.test'],
    ['priority', { priority: 1 }, '/x', 'GET', ''],
  ])('moves a route whose %s has changed', async (_, change, path, method, host) => {
    const old = entry('/x', 1)
    const before = await RouteTable.build([old])
    const table = await before.change({ remove: [old], add: [{ ...old, ...change, target: 2 }] })
    expect(table.size).toBe(1)
    expect(table.find(path, method, host)).toMatchObject({ target: 2 })
  })

  it('forgets what was removed', async () => {
    const gone = entry('/y', 2, 'a.test')
    const before = await RouteTable.build([entry('/x', 1), gone])
    const table = await before.change({ remove: [gone] })
    expect(table.entries).toEqual([entry('/x', 1)])
    expect(table.find('/y', 'GET', 'a.test').kind).toBe('not-found')
    expect(table.find('/x', 'GET', 'a.test').kind).toBe('found')
  })

  it('grows from nothing to 2,000 routes and back, one by one, as if built at once', async () => {
    const routes = onOneHost.slice(0, 2_000)
    let table = new RouteTable<number>()
    for (const route of routes) table = await table.change({ add: [route] })
    const atOnce = await RouteTable.build(routes)
    expect(table.size).toBe(2_000)
    const last = routes.at(-1)!
    const again = { remove: [last], add: [last] }
    // A part is as small as one of a table that was built at once.
    expect((await table.change(again)).routersBuilt).toBe(1)
    for (const { target } of routes) {
      const path = `/api/fn-${target}/v`
      expect(table.find(path, 'GET')).toEqual(atOnce.find(path, 'GET'))
    }
    for (const route of routes) table = await table.change({ remove: [route] })
    expect(table.size).toBe(0)
    expect(table.entries).toEqual([])
    expect(table.find('/api/fn-1/v', 'GET').kind).toBe('not-found')
  })

  it('tries routes alike in the order of their targets, whenever they were added', async () => {
    const compare = (a: number, b: number) => a - b
    const routes = [3, 1, 2].map(target => entry('/x', target))
    let table = await new RouteTable<number>().change({ add: routes, compare })
    expect(table.entries.map(({ target }) => target)).toEqual([1, 2, 3])
    table = await table.change({ add: [entry('/x', 0)], compare })
    expect(table.find('/x', 'GET')).toMatchObject({ target: 0 })
    table = await table.change({ remove: table.entries.slice(0, 2), compare })
    expect(table.find('/x', 'GET')).toMatchObject({ target: 2 })
  })
})
