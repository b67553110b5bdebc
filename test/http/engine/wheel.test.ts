import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { Deadline, Wheel } from '../../../src/http/engine/wheel.ts'
import { Random } from '../../fuzz/http/random.ts'
import { FakeClock } from '../../helpers/fake-clock.ts'

const TICK_MS = 50
const TURN_MS = 256 * TICK_MS
const startMs = 1_000_000

describe('Wheel', () => {
  let clock: FakeClock
  let wheel: Wheel
  /** When each has expired. */
  let expired: Map<string, number>

  beforeEach(() => {
    clock = new FakeClock(startMs)
    wheel = new Wheel(TICK_MS, clock)
    expired = new Map()
  })

  function deadline(name: string, then?: () => void): Deadline {
    return new Deadline(() => {
      expect(expired.has(name)).toBe(false)
      expired.set(name, clock.now() - startMs)
      then?.()
    })
  }

  it.each([0, 1, 49, 50, 51, 1_000, TURN_MS - 1, TURN_MS, TURN_MS + 1, 10 * TURN_MS + 25])(
    'is never early and at most two ticks late after %i ms',
    async delayMs => {
      wheel.set(deadline('other'), 20 * TURN_MS)
      for (const sinceMs of [0, 1, 49, 50, 77]) {
        expired.clear()
        const tickMs = Math.ceil((clock.now() - startMs) / TICK_MS) * TICK_MS
        await clock.advance(startMs + tickMs + sinceMs - clock.now())
        const nowMs = clock.now() - startMs
        wheel.set(deadline('a'), delayMs)
        await clock.advance(delayMs)
        await clock.advance(2 * TICK_MS)
        expect(expired.get('a')! - nowMs).toBeGreaterThanOrEqual(delayMs)
        expect(expired.get('a')! - nowMs).toBeLessThanOrEqual(delayMs + 2 * TICK_MS)
      }
    },
  )

  it('is not set any more once it is due, and may be set again by what it does', async () => {
    let count = 0
    const again = new Deadline(() => {
      expect(again.isSet).toBe(false)
      if (++count < 3) wheel.set(again, 100)
    })
    wheel.set(again, 100)
    expect(again.isSet).toBe(true)
    await clock.advance(3 * 200)
    expect(count).toBe(3)
    expect(clock.pending).toBe(0)
  })

  it('is moved, further away and nearer', async () => {
    const [far, near] = [deadline('far'), deadline('near')]
    wheel.set(far, 100)
    wheel.set(near, 10 * TURN_MS)
    wheel.set(far, 1_000)
    wheel.set(near, 100)
    await clock.advance(999)
    expect([...expired]).toEqual([['near', 150]])
    await clock.advance(101)
    expect(expired.get('far')).toBe(1_050)
  })

  it('is cleared, and set again before the wheel has come by', async () => {
    const [cleared, again] = [deadline('cleared'), deadline('again')]
    wheel.set(cleared, 100)
    wheel.set(again, 100)
    wheel.clear(cleared)
    wheel.clear(again)
    expect(cleared.isSet).toBe(false)
    wheel.set(again, 300)
    await clock.advance(1_000)
    expect([...expired]).toEqual([['again', 350]])
    wheel.clear(cleared)
    wheel.remove(cleared)
  })

  it('lets one that is due take away, clear, move and set others that are due with it', async () => {
    const names = ['removed', 'cleared', 'moved']
    const [removed, cleared, moved] = names.map(name => deadline(name)) as [
      Deadline,
      Deadline,
      Deadline,
    ]
    const act = () => {
      wheel.remove(removed)
      wheel.clear(cleared)
      wheel.set(moved, 500)
      wheel.set(deadline('new'), 0)
    }
    // Whichever comes first: one before and one behind them in the slot.
    const [first, last] = [deadline('first', act), deadline('last')]
    for (const each of [last, removed, cleared, moved, first]) wheel.set(each, 100)
    await clock.advance(2_000)
    expect(Object.fromEntries(expired)).toEqual({ first: 150, last: 150, new: 200, moved: 700 })
    expect(clock.pending).toBe(0)
  })

  it('turns only while something is set', async () => {
    expect(clock.pending).toBe(0)
    const [one, other] = [deadline('one'), deadline('other')]
    wheel.set(one, 100)
    wheel.set(other, 100)
    expect(clock.pending).toBe(1)
    wheel.remove(one)
    wheel.clear(other)
    await clock.advance(200)
    expect([clock.pending, expired.size]).toEqual([0, 0])
    await clock.advance(12_345)
    const nowMs = clock.now() - startMs
    wheel.set(one, 100)
    await clock.advance(200)
    expect(expired.get('one')! - nowMs).toBeGreaterThanOrEqual(100)
  })

  it('goes on from any other time than its first', async () => {
    wheel.set(deadline('a'), 100)
    await clock.advance(TURN_MS * 3 + 17)
    wheel.set(deadline('b'), 75)
    await clock.advance(74)
    expect(expired.has('b')).toBe(false)
    await clock.advance(101)
    expect(expired.has('b')).toBe(true)
  })

  it('is not early for what is set at the end of a turn that took long', async () => {
    wheel.set(deadline('other'), 60_000)
    await clock.advance(100)
    // As after five seconds of somebody's work: no timer has fired in them.
    const stalled = clock.stall(5_000)
    wheel.set(deadline('late'), 1_000)
    await stalled
    await clock.advance(900)
    expect(expired.has('late')).toBe(false)
    await clock.advance(200)
    expect(expired.has('late')).toBe(true)
  })

  it('after a turn that took long has forgotten none', async () => {
    const delays = [0, 50, 100, 1_000, TURN_MS, 3 * TURN_MS, 7 * TURN_MS]
    for (const delayMs of delays) wheel.set(deadline(`before ${delayMs}`), delayMs)
    const stallMs = 2 * TURN_MS + 20
    // What was set in its own tick cannot be told from what is set at the end of the turn.
    await clock.advance(TICK_MS)
    const stalled = clock.stall(stallMs)
    // In that turn, whose time the wheel does not know.
    wheel.set(deadline('meanwhile'), 3 * TURN_MS)
    await stalled
    expect([...expired.keys()]).toEqual(delays.slice(0, 5).map(delayMs => `before ${delayMs}`))
    await clock.advance(5 * TURN_MS + 100)
    expect(expired.get('meanwhile')).toBeGreaterThanOrEqual(3 * TURN_MS)
    for (const delayMs of delays.slice(5)) {
      const lateMs = expired.get(`before ${delayMs}`)! - delayMs
      expect(lateMs).toBeGreaterThanOrEqual(0)
      expect(lateMs).toBeLessThanOrEqual(2 * TICK_MS)
    }
  })

  it('with a timer that is always a little late, is early by no more than that', async () => {
    const lateMs = 3
    wheel = new Wheel(TICK_MS, {
      now: () => clock.now(),
      setTimer: (callback, delayMs) => clock.setTimer(callback, delayMs + lateMs),
    })
    const waitedMs: number[] = []
    for (let i = 0; i < 40 * TICK_MS; i++) {
      const setMs = clock.now()
      wheel.set(new Deadline(() => waitedMs.push(clock.now() - setMs)), 100)
      await clock.advance(1)
    }
    await clock.advance(1_000)
    expect(waitedMs).toHaveLength(40 * TICK_MS)
    expect(Math.min(...waitedMs)).toBeGreaterThanOrEqual(100 - lateMs)
    expect(Math.max(...waitedMs)).toBeLessThanOrEqual(100 + 2 * TICK_MS + lateMs)
  })

  it('tells the time that it has turned', async () => {
    wheel.set(deadline('a'), 1_000)
    await clock.advance(730)
    expect(wheel.nowMs).toBe(700)
  })

  it('lets go of all when it is closed', async () => {
    wheel.set(deadline('a'), 100)
    wheel.close()
    expect(clock.pending).toBe(0)
    await clock.advance(1_000)
    expect(expired.size).toBe(0)
  })

  it('keeps thousands', async () => {
    const random = new Random(1)
    const due = new Map<string, number>()
    for (let i = 0; i < 5_000; i++) {
      const delayMs = random.below(2 * TURN_MS)
      due.set(`${i}`, clock.now() - startMs + delayMs)
      wheel.set(deadline(`${i}`), delayMs)
      if (random.oneIn(100)) await clock.advance(random.below(100))
    }
    await clock.advance(2 * TURN_MS + 2 * TICK_MS)
    expect(expired.size).toBe(due.size)
    for (const [name, dueMs] of due) expectInTime(expired.get(name)!, dueMs)
    expect(clock.pending).toBe(0)
  })
})

function expectInTime(expiredMs: number, dueMs: number): void {
  if (expiredMs >= dueMs && expiredMs <= dueMs + 2 * TICK_MS) return
  expect.fail(`due at ${dueMs} ms, expired at ${expiredMs} ms`)
}

const step = fc.oneof(
  fc.record({
    kind: fc.constant('set' as const),
    which: fc.nat(30),
    ms: fc.oneof(fc.nat(300), fc.nat(3 * TURN_MS)),
  }),
  fc.record({ kind: fc.constantFrom('clear' as const, 'remove' as const), which: fc.nat(30) }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.oneof(fc.nat(120), fc.nat(TURN_MS)) }),
)

it('does what a list of times does', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 150 }), async steps => {
      const clock = new FakeClock()
      const wheel = new Wheel(TICK_MS, clock)
      const due = new Map<number, number>()
      const deadlines = Array.from(
        { length: 31 },
        (_, which) =>
          new Deadline(() => {
            expect(due.has(which)).toBe(true)
            expectInTime(clock.now(), due.get(which)!)
            due.delete(which)
          }),
      )
      for (const step of [...steps, { kind: 'wait' as const, ms: 4 * TURN_MS }]) {
        if (step.kind === 'wait') {
          await clock.advance(step.ms)
          for (const dueMs of due.values())
            expect(dueMs + 2 * TICK_MS).toBeGreaterThanOrEqual(clock.now())
          continue
        }
        const each = deadlines[step.which]!
        if (step.kind === 'set') {
          due.set(step.which, clock.now() + step.ms)
          wheel.set(each, step.ms)
        } else {
          due.delete(step.which)
          wheel[step.kind](each)
        }
        expect(each.isSet).toBe(due.has(step.which))
      }
      expect([due.size, clock.pending]).toEqual([0, 0])
    }),
    { numRuns: 30 },
  )
})

it('keeps no process alive', async () => {
  const url = new URL('../../../src/http/engine/wheel.ts', import.meta.url)
  const script = `import { Deadline, Wheel } from ${JSON.stringify(url)}
    new Wheel(50).set(new Deadline(() => console.log('expired')), 60_000)
    console.log('set')`
  const run = promisify(execFile)
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], {
    timeout: 15_000,
  })
  expect(stdout).toBe('set\n')
})
