import { expect, it } from 'vitest'
import { ChannelLog } from '../../../src/executors/channel/channel-log.ts'
import type { LogMessage } from '../../../src/executors/channel/messages.ts'
import { LineAllowance } from '../../../src/executors/line-allowance.ts'
import { portPair, take } from './pairs.ts'

/** As untyped code calls it. */
interface Loose {
  info(...given: unknown[]): void
}

const cycle: Record<string, unknown> = {}
cycle.self = cycle
const unreadable = {
  get field() {
    throw new Error('not readable')
  },
}
const untold = {
  toString() {
    throw new Error('no text')
  },
}

const odd: readonly (readonly [string, readonly unknown[]])[] = [
  ['a function as message', [{}, () => {}]],
  ['a symbol as message', [{}, Symbol('odd')]],
  ['a message that has no text', [{}, untold]],
  ['nothing', []],
  ['a function as a field', [{ field: () => {} }]],
  ['a BigInt', [{ field: 1n }]],
  ['a cycle', [cycle]],
  ['a getter that throws', [unreadable]],
  ['fields that are not there in JSON', [{ toJSON() {} }]],
  ['fields that are a text in JSON', [{ toJSON: () => 'text' }]],
  ['an error that cannot be sent', [{ err: Object.assign(new Error('x'), { name: () => {} }) }]],
  ['an error of nothing', [{ err: null }]],
  ['more than a log takes', [{ field: 'x'.repeat(1_000_000) }, 'x'.repeat(1_000_000)]],
]

it.each(odd)('a line of %s goes out, and fails nobody', async (_name, given) => {
  const { near, far } = portPair<LogMessage, never>()
  const allowance = new LineAllowance({ linesPerSecond: 1, burstLines: 2, report() {} })
  const log = new ChannelLog(near, ['info'], allowance) as unknown as Loose
  log.info(...given)
  log.info('next')
  const [line, next] = await take(far, 2)
  expect(JSON.parse(line!.fields)).toBeTypeOf('object')
  expect(['undefined', 'string']).toContain(typeof line!.message)
  expect(JSON.stringify(line).length).toBeLessThan(100_000)
  expect(next).toMatchObject({ fields: '{}', message: 'next' })
})
