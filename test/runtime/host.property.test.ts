import fc from 'fast-check'
import { it } from 'vitest'
import { type Command, World } from './host-world.ts'

const at = { pick: fc.nat(9) }
const id = fc.constantFrom('a' as const, 'b' as const)

function command<Kind extends Command['do']>(
  kind: Kind,
  fields: object = {},
): fc.Arbitrary<Command> {
  return fc.record({ do: fc.constant(kind), ...fields }) as fc.Arbitrary<never>
}

const commands = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: command('request', { id, leaves: fc.boolean() }) },
    {
      weight: 6,
      arbitrary: command('answer', {
        ...at,
        how: fc.constantFrom('text', 'text', 'stream', 'stream', 'throw', 'nothing'),
      }),
    },
    { weight: 2, arbitrary: command('endStream', at) },
    { weight: 1, arbitrary: command('failStream', at) },
    { weight: 1, arbitrary: command('cancelStream', at) },
    { weight: 2, arbitrary: command('waitUntil', at) },
    { weight: 2, arbitrary: command('endWait', at) },
    {
      weight: 4,
      arbitrary: command('deploy', {
        ids: fc.constantFrom(['a'], ['b'], ['a', 'b']),
        load: fc.constantFrom('fast', 'fast', 'fast', 'slow', 'preloaded', 'broken'),
      }),
    },
    { weight: 1, arbitrary: command('remove', { id }) },
    { weight: 1, arbitrary: command('die', at) },
    {
      weight: 4,
      arbitrary: command('advance', { ms: fc.constantFrom(1, 50, 100, 400, 500, 1_000, 3_000) }),
    },
    { weight: 2, arbitrary: command('openGates') },
    { weight: 2, arbitrary: command('unloadUnused') },
    { weight: 1, arbitrary: command('leave') },
    { weight: 8, arbitrary: command('turn') },
    { weight: 6, arbitrary: command('settle') },
  ),
  { maxLength: 60, size: 'max' },
)

/** Everything begins with both functions in force; now and then the host closes on the way. */
const run = fc
  .tuple(commands, fc.option(commands, { freq: 3 }))
  .map(([before, after]) => [
    { do: 'deploy', ids: ['a', 'b'], load: 'fast' } as const,
    { do: 'settle' } as const,
    ...before,
    ...(after === null ? [] : [{ do: 'close' } as const, ...after]),
  ])

it('no request is lost, and every load has its unload, whatever happens in whatever order', async () => {
  await fc.assert(
    fc.asyncProperty(run, commands => new World().run(commands)),
    { numRuns: 150 },
  )
}, 60_000)
