import { beforeEach, describe, expect, it } from 'vitest'
import { type Deadline, type DeadlineList, Deadlines } from '../../src/runtime/deadlines.ts'
import { FakeClock } from '../helpers/fake-clock.ts'

class Job implements Deadline {
  readonly name: string
  expiresMs = 0
  previous: this | undefined
  next: this | undefined
  list: DeadlineList<this> | undefined

  constructor(name: string) {
    this.name = name
  }
}

let clock: FakeClock
let deadlines: Deadlines<Job>
/** What has expired, and when, counted from the start of the test. */
let expired: string[]
let startMs: number
/** Runs within the expiry of a job. */
let onExpire: (job: Job) => void

beforeEach(() => {
  clock = new FakeClock()
  startMs = clock.now()
  expired = []
  onExpire = () => {}
  deadlines = new Deadlines<Job>(clock, job => {
    expired.push(`${job.name} at ${clock.now() - startMs}`)
    onExpire(job)
  })
})

function set(name: string, durationMs: number, job = new Job(name)): Job {
  deadlines.set(job, durationMs, clock.now())
  return job
}

describe('expiring', () => {
  it('happens when the time is over, neither before nor twice', async () => {
    set('a', 100)
    await clock.advance(99)
    expect(expired).toEqual([])
    await clock.advance(1)
    await clock.advance(1_000)
    expect(expired).toEqual(['a at 100'])
  })

  it('goes in the order the deadlines were set', async () => {
    for (const name of ['a', 'b', 'c']) {
      set(name, 100)
      await clock.advance(10)
    }
    await clock.advance(1_000)
    expect(expired).toEqual(['a at 100', 'b at 110', 'c at 120'])
  })

  it('takes all that are due at once after a stall', async () => {
    set('a', 100)
    await clock.advance(10)
    set('b', 100)
    await clock.advance(50)
    set('c', 100)
    await clock.stall(80)
    expect(expired).toEqual(['a at 140', 'b at 140'])
    await clock.advance(20)
    expect(expired.at(-1)).toBe('c at 160')
  })

  it('keeps different durations apart', async () => {
    set('slow', 1_000)
    set('fast', 10)
    set('middle', 100)
    await clock.advance(5)
    set('fast too', 10)
    await clock.advance(2_000)
    expect(expired).toEqual(['fast at 10', 'fast too at 15', 'middle at 100', 'slow at 1000'])
  })

  it('happens though the timer fires a little early', async () => {
    set('a', 99.6)
    set('b', 99.6)
    await clock.advance(99)
    expect(expired).toEqual([])
    await clock.advance(2)
    expect(expired).toHaveLength(2)
  })
})

describe('clearing', () => {
  it.each([
    ['the first', 0, ['b at 100', 'c at 100']],
    ['one in the middle', 1, ['a at 100', 'c at 100']],
    ['the last', 2, ['a at 100', 'b at 100']],
  ])('takes out %s', async (_, index, left) => {
    const jobs = ['a', 'b', 'c'].map(name => set(name, 100))
    deadlines.clear(jobs[index]!)
    await clock.advance(100)
    expect(expired).toEqual(left)
  })

  it('takes out the only one, and another may follow it at once', async () => {
    deadlines.clear(set('a', 100))
    await clock.advance(50)
    set('b', 100)
    await clock.advance(100)
    expect(expired).toEqual(['b at 150'])
  })

  it('leaves those set later where they are', async () => {
    const a = set('a', 100)
    const c = set('b', 100)
    deadlines.clear(c)
    set('d', 100)
    deadlines.clear(a)
    set('e', 100)
    await clock.advance(100)
    expect(expired).toEqual(['d at 100', 'e at 100'])
  })

  it('is harmless when it has expired, was cleared, or was never set', async () => {
    const a = set('a', 100)
    const b = set('b', 200)
    await clock.advance(100)
    deadlines.clear(a)
    deadlines.clear(b)
    deadlines.clear(b)
    deadlines.clear(new Job('never'))
    set('c', 200)
    await clock.advance(1_000)
    expect(expired).toEqual(['a at 100', 'c at 300'])
  })

  it('lets nothing keep a deadline that is over', async () => {
    const a = set('a', 100)
    const b = set('b', 100)
    deadlines.clear(a)
    await clock.advance(100)
    for (const job of [a, b]) {
      expect(job).toMatchObject({ list: undefined, previous: undefined, next: undefined })
    }
  })
})

describe('setting', () => {
  it('again gives a new time, after clearing or expiring', async () => {
    const a = set('a', 100)
    await clock.advance(60)
    deadlines.clear(a)
    set('a', 100, a)
    await clock.advance(100)
    set('a', 100, a)
    await clock.advance(1_000)
    expect(expired).toEqual(['a at 160', 'a at 260'])
  })

  it('again while it is set moves it, to the same or another duration', async () => {
    const a = set('a', 100)
    const b = set('b', 100)
    await clock.advance(50)
    set('a', 100, a)
    set('b', 20, b)
    await clock.advance(1_000)
    expect(expired).toEqual(['b at 70', 'a at 150'])
  })

  it('works from within an expiry, for the same duration and for others', async () => {
    set('a', 100)
    set('b', 100)
    onExpire = job => {
      if (job.name !== 'a') return
      set('same', 100)
      set('shorter', 10)
      set('again', 100, job)
      onExpire = () => {}
    }
    await clock.advance(1_000)
    expect(expired).toEqual(['a at 100', 'b at 100', 'shorter at 110', 'same at 200', 'a at 200'])
  })

  it('goes on for ever where each expiry sets the next', async () => {
    const a = set('a', 100)
    onExpire = () => set('a', 100, a)
    await clock.advance(1_000)
    expect(expired).toHaveLength(10)
  })
})

it('lets an expiry clear those due with it', async () => {
  const jobs = ['a', 'b', 'c', 'd'].map(name => set(name, 100))
  onExpire = job => {
    if (job === jobs[0]) deadlines.clear(jobs[1]!)
    if (job === jobs[2]) deadlines.clear(jobs[3]!)
  }
  await clock.advance(1_000)
  expect(expired).toEqual(['a at 100', 'c at 100'])
})

it('expires the others when one expiry throws', async () => {
  set('a', 100)
  set('b', 100)
  onExpire = job => {
    if (job.name === 'a') throw new Error('expiry')
  }
  await expect(clock.advance(100)).rejects.toThrow('expiry')
  set('c', 100)
  await clock.advance(1_000)
  expect(expired).toEqual(['a at 100', 'b at 101', 'c at 200'])
})

it('needs one timer per duration, however many deadlines there are', async () => {
  for (let i = 0; i < 1_000; i++) set(`a${i}`, 100 + (i % 3))
  expect(clock.pending).toBe(3)
  await clock.advance(1_000)
  expect(expired).toHaveLength(1_000)
})

it('stops its timers when nothing is left', async () => {
  deadlines.clear(set('a', 100))
  set('b', 200)
  await clock.advance(200)
  expect(clock.pending).toBe(0)
})

it('agrees with a plain list of times, whatever is set and cleared', async () => {
  // A fixed pseudo-random sequence (the Lehmer generator of Park and Miller).
  let seed = 7
  const random = (below: number) => {
    seed = (seed * 48_271) % 0x7fffffff
    return seed % below
  }
  const due = new Map<Job, number>()
  deadlines = new Deadlines<Job>(clock, job => {
    expect(due.get(job)).toBe(clock.now())
    due.delete(job)
  })
  const jobs = Array.from({ length: 20 }, (_, i) => new Job(String(i)))
  for (let step = 0; step < 2_000; step++) {
    const job = jobs[random(jobs.length)]!
    const action = random(5)
    if (action < 2) {
      const durationMs = [5, 20, 70][random(3)]!
      deadlines.set(job, durationMs, clock.now())
      due.set(job, clock.now() + durationMs)
    } else if (action < 4) {
      deadlines.clear(job)
      due.delete(job)
    } else {
      await clock.advance(random(10))
      expect([...due.values()].filter(dueMs => dueMs <= clock.now())).toEqual([])
    }
  }
})
