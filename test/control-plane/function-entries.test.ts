import { describe, expect, it } from 'vitest'
import { formatFunctionEntry } from '../../src/control-plane/entry-schema.ts'
import { FunctionEntries, type FunctionEvent } from '../../src/control-plane/function-entries.ts'
import { FunctionEntry } from '../../src/control-plane/function-entry.ts'
import { FUNCTIONS } from '../../src/control-plane/keys.ts'
import type { StoreEvent } from '../../src/control-plane/store.ts'
import { runAtOnce } from '../../src/routing/slices.ts'

const a1 = new FunctionEntry({ id: 'a', path: '/a' })
const a2 = new FunctionEntry({ id: 'a', path: '/a', version: 'v2' })
const put = (id: string, value: string) => ({
  key: FUNCTIONS + id,
  stored: { value, revision: '1' },
})
const good = (entry: FunctionEntry) => put(entry.id, formatFunctionEntry(entry))
const gone = (id: string) => ({ key: FUNCTIONS + id })

const apply = (functions: FunctionEntries, events: readonly StoreEvent[]) =>
  runAtOnce(functions.applyInSteps(events))

/** As `Added a v1`, `Removed a`. */
const shown = (events: readonly FunctionEvent[]) =>
  events.map(event =>
    'entry' in event
      ? `${event.type} ${event.entry.id} ${event.entry.manifest.version}`
      : `${event.type} ${event.id}`,
  )

describe('FunctionEntries', () => {
  it('tells what is added, updated and removed', () => {
    const functions = new FunctionEntries()
    expect(shown(apply(functions, [good(a1)]))).toEqual(['Added a v1'])
    expect(shown(apply(functions, [good(a2)]))).toEqual(['Updated a v2'])
    expect(functions.entries.get('a')?.equals(a2)).toBe(true)
    expect(shown(apply(functions, [gone('a')]))).toEqual(['Removed a'])
    expect(functions.entries.size).toBe(0)
    expect(apply(functions, [gone('a')])).toEqual([])
  })

  it('has no event for the same content, however it is written', () => {
    const functions = new FunctionEntries()
    apply(functions, [good(a1)])
    const before = functions.entries.get('a')
    expect(apply(functions, [good(a1)])).toEqual([])
    expect(apply(functions, [put('a', '{"manifest":{"path":"/a","version":"v1"}}')])).toEqual([])
    expect(functions.entries.get('a')).toBe(before)
  })

  it('sets a wrong entry aside alone', () => {
    const functions = new FunctionEntries()
    const b = new FunctionEntry({ id: 'b', path: '/b' })
    expect(shown(apply(functions, [good(a1), put('x', '{'), good(b)]))).toEqual([
      'Added a v1',
      'Rejected x',
      'Added b v1',
    ])
    expect([...functions.entries.keys()]).toEqual(['a', 'b'])
    expect(functions.rejected.get('x')?.message).toContain(`${FUNCTIONS}x: is not JSON`)
  })

  it('keeps the last good version of an entry that has become wrong', () => {
    const functions = new FunctionEntries()
    apply(functions, [good(a1)])
    expect(shown(apply(functions, [put('a', '{}')]))).toEqual(['Rejected a'])
    expect(functions.entries.get('a')?.equals(a1)).toBe(true)
    expect(apply(functions, [put('a', '{ }')])).toEqual([])
    expect(shown(apply(functions, [put('a', '[]')]))).toEqual(['Rejected a'])
  })

  it('forgets the complaint when the entry is mended, also to what it was', () => {
    const functions = new FunctionEntries()
    apply(functions, [good(a1)])
    apply(functions, [put('a', '{}')])
    expect(apply(functions, [good(a1)])).toEqual([])
    expect(functions.rejected.size).toBe(0)
    apply(functions, [put('a', '{}')])
    expect(shown(apply(functions, [good(a2)]))).toEqual(['Updated a v2'])
    expect(functions.rejected.size).toBe(0)
  })

  it('removes the last good version when the wrong entry is deleted', () => {
    const functions = new FunctionEntries()
    apply(functions, [good(a1)])
    apply(functions, [put('a', '{}')])
    expect(shown(apply(functions, [gone('a')]))).toEqual(['Removed a'])
    expect(functions.rejected.size).toBe(0)
  })

  it('has no event when an entry goes that never was right', () => {
    const functions = new FunctionEntries()
    apply(functions, [put('x', '{')])
    expect(apply(functions, [gone('x')])).toEqual([])
    expect(functions.rejected.size).toBe(0)
  })

  it('takes a key below a function for a wrong entry, not for the function', () => {
    const functions = new FunctionEntries()
    apply(functions, [good(a1)])
    expect(shown(apply(functions, [put('b/a', '{"manifest":{"path":"/c"}}')]))).toEqual([
      'Rejected b/a',
    ])
    expect(functions.entries.get('a')?.equals(a1)).toBe(true)
  })

  it('leaves other keys alone', () => {
    const functions = new FunctionEntries()
    expect(
      apply(functions, [{ key: 'fezz/v1/nodes/a', stored: { value: '{}', revision: '1' } }]),
    ).toEqual([])
    expect(functions.rejected.size).toBe(0)
  })

  it('changes nothing before the last step', () => {
    const functions = new FunctionEntries()
    const b = new FunctionEntry({ id: 'b', path: '/b' })
    const steps = functions.applyInSteps([good(a1), put('x', '{'), good(b)])
    for (let step = 0; step < 3; step++) {
      expect(steps.next().done).toBe(false)
      expect(functions.entries.size + functions.rejected.size).toBe(0)
    }
    const last = steps.next()
    expect(shown(last.done ? last.value : [])).toEqual(['Added a v1', 'Rejected x', 'Added b v1'])
  })
})
