import { describe, expect, it } from 'vitest'
import { Retries } from '../src/backoff.ts'

/** Waits are exactly half of their cap. */
const retries = () => new Retries({ firstMs: 100, maxMs: 1_000 }, () => 0)

describe('retries', () => {
  it('wait twice as long after each failure, up to the longest wait', () => {
    const some = retries()
    expect([0, 1, 2, 3, 4, 5].map(() => some.failed(0))).toEqual([50, 100, 200, 400, 500, 500])
  })

  it('say when the next attempt is due, on the clock they are told', () => {
    const some = retries()
    expect(some.dueMs).toBeLessThan(0)
    some.failed(10_000)
    expect(some.dueMs).toBe(10_050)
  })

  it('do not wait after the first end of what had begun, but after the next', () => {
    const some = retries()
    expect([some.failed(0, 5), some.failed(0, 5), some.failed(0)]).toEqual([0, 100, 200])
  })

  it('begin anew when it was up for as long as the longest wait, or is forgiven', () => {
    const some = retries()
    for (let i = 0; i < 9; i++) some.failed(0)
    expect(some.failed(0, 999)).toBe(500)
    expect(some.failed(0, 1_000)).toBe(0)
    for (let i = 0; i < 9; i++) some.failed(0)
    some.forgive()
    expect(some.failed(0)).toBe(50)
  })
})
