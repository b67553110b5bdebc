import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { settled } from '../helpers/fake-clock.ts'
import { type Command, SlotModel } from '../helpers/slot-model.ts'

const LIMITS = { loadTimeoutMs: 1_000, unloadTimeoutMs: 500, queueTimeoutMs: 200 }

const index = fc.nat(3)
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 8, arbitrary: fc.constant({ do: 'acquire' } as const) },
  { weight: 3, arbitrary: fc.constant({ do: 'tryAcquire' } as const) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('release' as const), pick: index }) },
  { weight: 2, arbitrary: fc.constant({ do: 'hold' } as const) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('unhold' as const), pick: index }) },
  { weight: 1, arbitrary: fc.constant({ do: 'warm' } as const) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('loaded' as const), pick: index }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('failed' as const), pick: index }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('unloaded' as const), pick: index }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('unloadFailed' as const), pick: index }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('die' as const), pick: index }) },
  { weight: 3, arbitrary: fc.constant({ do: 'idle' } as const) },
  { weight: 1, arbitrary: fc.constant({ do: 'retire' } as const) },
  { weight: 1, arbitrary: fc.constant({ do: 'expel' } as const) },
  { weight: 8, arbitrary: fc.constant({ do: 'turn' } as const) },
  { weight: 8, arbitrary: fc.constant({ do: 'settle' } as const) },
  {
    weight: 5,
    // Around every time that matters: retries, queue, unload, load, the end of the backoff.
    arbitrary: fc.record({
      do: fc.constant('advance' as const),
      ms: fc.constantFrom(1, 49, 50, 100, 199, 200, 500, 999, 1_000, 15_000, 30_000),
    }),
  },
)

const options = fc.record({
  maxConcurrency: fc.constantFrom(undefined, 1, 1, 2, 3),
  maxQueue: fc.constantFrom(0, 1, 2, 10),
  random: fc.constantFrom(0, 0.5, 0.999),
  /** Loads that have failed before the run. */
  failures: fc.constantFrom(0, 0, 0, 0, 2, 10),
})
type Options = typeof options extends fc.Arbitrary<infer T> ? T : never

const unhandled: unknown[] = []
const onUnhandled = (reason: unknown) => void unhandled.push(reason)
beforeAll(() => void process.on('unhandledRejection', onUnhandled))
afterAll(() => void process.off('unhandledRejection', onUnhandled))

it('keeps its promises whatever happens in whatever order', async () => {
  const run = async (options: Options, commands: readonly Command[]) => {
    const { maxConcurrency, maxQueue, random, failures } = options
    const limits = { ...LIMITS, maxQueue }
    const model = new SlotModel({ limits, maxConcurrency, random: () => random })
    await model.failLoads(failures)
    for (const command of commands) {
      const passing = model.run(command)
      // An await of nothing would let a microtask run between any two commands.
      if (passing !== undefined) await passing
    }
    await model.finish()
    await settled()
    expect(unhandled.splice(0), 'unhandled rejections').toEqual([])
  }
  const runs = fc.array(command, { minLength: 1, maxLength: 60, size: 'max' })
  await fc.assert(fc.asyncProperty(options, runs, run), { numRuns: 1_000 })
})
