import { describe, expect, it } from 'vitest'
import { FezzResponse } from '../../src/http/web/fezz-response.ts'
import { AT_REST, type Call, functionOf, hostSetup, Stage } from './host-setup.ts'

const hello = () => FezzResponse.text('hello')
const codeOf = async (response: Response) => ((await response.json()) as { code: string }).code

/** A host for 100 requests with a function that never answers by itself, and others that do. */
async function busy(...others: string[]) {
  const setup = hostSetup({ maxInFlight: 100 })
  const slow = new Stage()
  const stages = new Map(others.map(id => [id, new Stage()]))
  await setup.deploy(
    functionOf(slow, { id: 'slow', preload: true }),
    functionOf(hello, { id: 'quick', preload: true }),
    ...Array.from(stages, ([id, stage]) => functionOf(stage, { id, preload: true })),
  )
  return {
    ...setup,
    slow,
    stages,
    async end(calls: readonly Call[]) {
      for (const { answer } of calls) answer(hello())
      await setup.clock.advance(0)
    },
    async flood(id: string, count: number) {
      const requests = Array.from({ length: count }, () => setup.request(`/${id}`))
      await setup.clock.advance(0)
      return requests.filter(each => each.state === 'waiting').length
    },
  }
}

describe('a function without limits that is flooded', () => {
  it('does not keep another from answering', async () => {
    const { flood, fetch, host, metrics } = await busy()
    expect(await flood('slow', 10_000)).toBe(80)
    for (let i = 0; i < 100; i++) {
      const response = await fetch('/quick')
      expect([response.status, await response.text()]).toEqual([200, 'hello'])
    }
    expect(host.inFlight).toBe(80)
    expect(metrics.forFunction('slow').errors.get('OVERLOADED')).toBe(9_920)
    expect(metrics.forFunction('quick').errors.size).toBe(0)
  })

  it('is refused at once, with 503 and Retry-After', async () => {
    const { flood, fetch } = await busy()
    await flood('slow', 80)
    const refused = await fetch('/slow')
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).toBe('1')
    expect(await codeOf(refused)).toBe('OVERLOADED')
  })

  it('is served again when some of its requests have ended', async () => {
    const { flood, end, slow } = await busy()
    await flood('slow', 100)
    await end(slow.calls.slice(0, 10))
    expect(await flood('slow', 100)).toBe(10)
  })
})

describe('functions that are flooded together', () => {
  it('share: one that comes later gets its part, and a third finds room', async () => {
    const { flood, end, host, fetch, slow } = await busy('b', 'c')
    expect(await flood('slow', 1_000)).toBe(80)
    // A hundred, shared by two and one more who may come; "more than" admits one above it.
    expect(await flood('b', 1_000)).toBe(20)
    expect(host.inFlight).toBe(100)
    expect((await fetch('/quick')).status).toBe(503)

    // What runs is not ended, but what ends does not come back to whoever has more than its share.
    await end(slow.calls.slice(0, 20))
    expect(await flood('slow', 1_000)).toBe(0)
    expect(await flood('b', 1_000)).toBe(14)
    expect((await fetch('/quick')).status).toBe(200)
    expect(await flood('c', 1_000)).toBe(6)
  })

  it('have all of the host below 80 %', async () => {
    const { flood } = await busy('b')
    expect(await flood('slow', 70)).toBe(70)
    expect(await flood('b', 10)).toBe(10)
    expect(await flood('slow', 1)).toBe(0)
    expect(await flood('b', 1)).toBe(1)
  })

  it('leave nothing behind in the books', async () => {
    const { flood, end, slow, stages, slot, counters, host } = await busy('b')
    await flood('slow', 1_000)
    await flood('b', 1_000)
    await end([...slow.calls, ...stages.get('b')!.calls])
    expect(host.inFlight).toBe(0)
    expect(counters(slot('slow'))).toEqual(AT_REST)
    // As at the start: of two, each may have a third of it when it is busy.
    expect(await flood('slow', 60)).toBe(60)
    expect(await flood('b', 1_000)).toBe(34)
  })
})

describe('functionConcurrency', () => {
  it('is the maxConcurrency of those that declare none', async () => {
    const { deploy, request, clock, fetch } = hostSetup({ functionConcurrency: 2, maxQueue: 0 })
    const bounded = new Stage()
    const own = new Stage()
    await deploy(functionOf(bounded), functionOf(own, { id: 'own', maxConcurrency: 3 }))
    for (let i = 0; i < 5; i++) {
      request('/f')
      request('/own')
      await clock.advance(0)
    }
    expect([bounded.calls.length, own.calls.length]).toEqual([2, 3])
    expect(await codeOf(await fetch('/f'))).toBe('TOO_MANY_REQUESTS')
  })
})

describe('rateLimit', () => {
  it('lets a second’s worth through at once, then 429 with Retry-After until time has passed', async () => {
    const { deploy, fetch, clock, metrics } = hostSetup()
    await deploy(functionOf(hello, { rateLimit: 5 }), functionOf(hello, { id: 'other' }))
    const statuses = async (count: number) => {
      const responses = await Promise.all(Array.from({ length: count }, () => fetch('/f')))
      return responses.map(({ status }) => status)
    }
    expect(await statuses(7)).toEqual([200, 200, 200, 200, 200, 429, 429])
    await clock.advance(199)
    const refused = await fetch('/f')
    expect(refused.headers.get('retry-after')).toBe('1')
    expect(await codeOf(refused)).toBe('TOO_MANY_REQUESTS')
    await clock.advance(1)
    expect(await statuses(2)).toEqual([200, 429])
    await clock.advance(60_000)
    expect(await statuses(6)).toEqual([200, 200, 200, 200, 200, 429])
    expect((await fetch('/other')).status).toBe(200)
    expect(metrics.forFunction('f').errors.get('TOO_MANY_REQUESTS')).toBe(5)
  })

  it('may be less than one a second, and says when to come back', async () => {
    const { deploy, fetch, clock } = hostSetup()
    await deploy(functionOf(hello, { rateLimit: 0.1 }))
    expect((await fetch('/f')).status).toBe(200)
    await clock.advance(2_500)
    expect((await fetch('/f')).headers.get('retry-after')).toBe('8')
    await clock.advance(7_500)
    expect((await fetch('/f')).status).toBe(200)
  })

  it('does not count what the host refuses', async () => {
    const { deploy, fetch, request, clock } = hostSetup({ maxInFlight: 1 })
    const stage = new Stage()
    await deploy(functionOf(stage, { id: 'slow' }), functionOf(hello, { rateLimit: 1 }))
    request('/slow')
    await clock.advance(0)
    expect((await fetch('/f')).status).toBe(503)
    stage.last.answer(hello())
    await clock.advance(0)
    expect((await fetch('/f')).status).toBe(200)
  })
})
