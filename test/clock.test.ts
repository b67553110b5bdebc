import { once } from 'node:events'
import { expect, it } from 'vitest'
import { systemClock } from '../src/clock.ts'

it("a timer of the machine's clock that is due already fires without a word of the runtime", async () => {
  const warnings: unknown[] = []
  const note = (warning: unknown) => warnings.push(warning)
  process.on('warning', note)
  // What is due is compared with a clock that has gone on since: less than nothing is usual.
  await new Promise<void>(resolve => systemClock.setTimer(resolve, -0.2))
  // A warning comes with the next one at the latest, for they come in order.
  const told = once(process, 'warning')
  process.emitWarning('the last one')
  await told
  process.off('warning', note)
  expect(warnings.map(warning => (warning as Error).message)).toEqual(['the last one'])
})
