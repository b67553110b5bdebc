import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Replica } from '../../src/control-plane/replica.ts'
import { compareRevisions, type StoredValue } from '../../src/control-plane/store.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { RecordedLog } from './recorded-log.ts'
import { SwitchedStore } from './switched-store.ts'

const key = fc.constantFrom('a/1', 'a/2', 'a/3', 'b/1')
const command = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('put' as const), key }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('delete' as const), key }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom('cut', 'mend', 'lose', 'end', 'mute', 'unmute', 'echo'),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('advance' as const),
      ms: fc.constantFrom(0, 0, 10, 100, 1_000, 10_000),
    }),
  },
)

it('tells each change at most once, and all of them in the end', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 80, size: 'max' }), async commands => {
      const clock = new FakeClock()
      const store = new SwitchedStore()
      /** What a consumer makes of what it is told. */
      const told = new Map<string, StoredValue>()
      const revisions = new Map<string, string>()
      let revision = '0'
      const log = new RecordedLog()
      const replica = new Replica({
        store,
        prefix: 'a/',
        log,
        clock,
        compareEveryMs: 5_000,
        onChange: change => {
          expect(compareRevisions(change.revision, revision)).toBeGreaterThanOrEqual(0)
          revision = change.revision
          for (const { key, stored } of change.events) {
            if (stored === undefined) {
              expect(told.delete(key)).toBe(true)
              continue
            }
            expect(compareRevisions(stored.revision, revisions.get(key) ?? '0')).toBeGreaterThan(0)
            revisions.set(key, stored.revision)
            told.set(key, stored)
          }
          expect([...told].sort()).toEqual([...replica.entries].sort())
        },
      })
      replica.start()
      let count = 0
      const toggles: Record<string, () => void> = {
        cut: () => store.cut(),
        mend: () => store.mend(),
        lose: () => store.interrupt('WATCH_LOST'),
        end: () => store.interrupt('silently'),
        mute: () => Object.assign(store, { isMuted: true }),
        unmute: () => Object.assign(store, { isMuted: false }),
        echo: () => Object.assign(store, { echoes: true }),
      }
      for (const command of commands) {
        if ('ms' in command) await clock.advance(command.ms)
        else if (!('key' in command)) toggles[command.do]?.()
        else if (command.do === 'put') await store.store.put(command.key, `${count++}`)
        else await store.store.delete(command.key)
      }
      store.mend()
      await clock.advance(10_000)
      const { entries } = await store.store.list('a/')
      expect([...told].sort()).toEqual([...entries].sort())
      // What `onChange` throws is logged.
      expect(log.lines.filter(line => line.startsWith('error'))).toEqual([])
      await replica.close()
      expect(clock.pending).toBe(0)
    }),
    { numRuns: 200 },
  )
}, 60_000)
