import fc from 'fast-check'
import { expect, it } from 'vitest'
import { TokenBucket } from '../../src/runtime/token-bucket.ts'

const rates = fc.double({ min: 0.01, max: 1_000, noNaN: true })
const steps = fc.array(fc.double({ min: 0, max: 5_000, noNaN: true }), { maxLength: 200 })

it('gives a second’s worth at once and its rate from then on, never more', () => {
  fc.assert(
    fc.property(rates, steps, (rate, steps) => {
      const bucket = new TokenBucket(rate, 0)
      let nowMs = 0
      const takenMs: number[] = []
      for (const step of steps) {
        nowMs += step
        if (bucket.take(nowMs) === 0) takenMs.push(nowMs)
      }
      for (const [at, fromMs] of takenMs.entries()) {
        for (const [beyond, untilMs] of takenMs.slice(at).entries()) {
          const most = Math.max(1, rate) + ((untilMs - fromMs) / 1_000) * rate
          expect(beyond + 1).toBeLessThanOrEqual(most + 1e-6)
        }
      }
    }),
  )
})

it('has a token when it said it would', () => {
  fc.assert(
    fc.property(rates, fc.nat(2_000), (rate, idleMs) => {
      const bucket = new TokenBucket(rate, 0)
      let waitMs = 0
      let nowMs = idleMs
      while (waitMs === 0) waitMs = bucket.take(nowMs)
      nowMs += waitMs + 1e-6
      expect(bucket.take(nowMs)).toBe(0)
    }),
  )
})
