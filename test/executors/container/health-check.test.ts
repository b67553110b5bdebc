import { afterEach, beforeEach, expect, it } from 'vitest'
import { HealthCheck } from '../../../src/executors/container/health-check.ts'
import { FakeClock } from '../../helpers/fake-clock.ts'
import { type Served, serve } from '../http/http-setup.ts'

let served: Served
let asked: number
let status: number
let failures: number[]
let clock: FakeClock

beforeEach(async () => {
  asked = 0
  status = 200
  failures = []
  clock = new FakeClock()
  served = await serve((_, res) => {
    asked++
    res.writeHead(status).end()
  })
})

afterEach(() => served[Symbol.asyncDispose]())

const check = () =>
  new HealthCheck({
    address: { host: '127.0.0.1', port: served.port },
    sign: { kind: 'health', path: '/health' },
    intervalMs: 10_000,
    clock,
    unhealthy: count => failures.push(count),
  })

/** Lets one check take place, and its outcome be known. */
const next = async (answer: number) => {
  status = answer
  const before = asked
  await clock.advance(10_000)
  await expect.poll(() => asked).toBe(before + 1)
  // The limit of the attempt goes with it; what is left is the wait for the next one, if any.
  await expect.poll(() => clock.nextInMs ?? 10_000).toBe(10_000)
}

it('three failures in a row are the end, and two with a success between are not', async () => {
  const health = check()
  for (const answer of [200, 503, 503, 200, 503, 503]) await next(answer)
  expect(failures).toEqual([])
  await next(503)
  await expect.poll(() => failures).toEqual([3])
  // Whoever was told could do nothing about it.
  for (const answer of [503, 503, 503]) await next(answer)
  await expect.poll(() => failures).toEqual([3, 6])
  health.stop()
  expect(clock.pending).toBe(0)
})

it('nothing is asked once it is stopped', async () => {
  const health = check()
  await next(200)
  health.stop()
  health.stop()
  expect(clock.pending).toBe(0)
  await clock.advance(60_000)
  expect(asked).toBe(1)
})
