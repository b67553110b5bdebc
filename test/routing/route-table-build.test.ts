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
    const turns = await turnsDuring(() => RouteTable.build(onHosts.slice(0, 200), { sliceMs: 0 }))
    expect(turns).toBeGreaterThanOrEqual(200)
  })

  it('leaves the old table working while the new one is built', async () => {
    const old = await RouteTable.build(onHosts)
    const changed = onHosts.map(route => ({ ...route, target: -1 }))
    const answers = new Set<unknown>()
    await turnsDuring(
      () => RouteTable.build(changed.slice(0, 500), { previous: old, sliceMs: 0 }),
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

describe('taking over from the previous table', () => {
  it('rebuilds one host when one of 1,000 has changed', async () => {
    const previous = await RouteTable.build(onHosts)
    expect(previous.routers).toEqual({ built: 1000, reused: 0 })
    const changed = onHosts.with(4321, { ...onHosts[4321]!, target: -1 })
    const table = await RouteTable.build(changed, { previous })
    expect(table.routers).toEqual({ built: 1, reused: 999 })
    expect(table.find('/fn-4321/v', 'GET', 'h321.example.com')).toMatchObject({ target: -1 })
    expect(previous.find('/fn-4321/v', 'GET', 'h321.example.com')).toMatchObject({ target: 4321 })
  })

  it('rebuilds one part of a host with 10,000 routes when one has changed', async () => {
    const previous = await RouteTable.build(onOneHost)
    expect(previous.routers.built).toBeGreaterThan(50)
    const changed = onOneHost.with(17, { ...onOneHost[17]!, target: -1 })
    const table = await RouteTable.build(changed, { previous })
    expect(table.routers).toEqual({ built: 1, reused: previous.routers.built - 1 })
    expect(table.find('/api/fn-17/v', 'GET')).toMatchObject({ target: -1 })
    expect(table.find('/api/fn-18/v', 'GET')).toMatchObject({ target: 18 })
  })

  it.each([
    ['target', { target: 2 }],
    ['path', { path: '/y' }],
    ['methods', { methods: ['POST'] }],
    ['methods', { methods: 'ANY' as const }],
    ['host', { host: 'a.test' }],
    ['priority', { priority: 1 }],
  ])('builds anew where the %s has changed', async (_, change) => {
    const previous = await RouteTable.build([entry('/x', 1)])
    const same = await RouteTable.build([entry('/x', 1)], { previous })
    expect(same.routers).toEqual({ built: 0, reused: 1 })
    const table = await RouteTable.build([{ ...entry('/x', 1), ...change }], { previous })
    expect(table.routers).toEqual({ built: 1, reused: 0 })
  })

  it('forgets what was removed', async () => {
    const previous = await RouteTable.build([entry('/x', 1), entry('/y', 2, 'a.test')])
    const table = await RouteTable.build([entry('/x', 1)], { previous })
    expect(table.find('/y', 'GET', 'a.test').kind).toBe('not-found')
    expect(table.find('/x', 'GET', 'a.test').kind).toBe('found')
  })
})
