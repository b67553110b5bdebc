import { formatFunctionEntry } from '../../control-plane/entry-schema.ts'
import type { FunctionEntry } from '../../control-plane/function-entry.ts'

/** What would become of one function. */
export interface EntryDiff {
  readonly id: string
  readonly change: 'added' | 'updated' | 'unchanged'
  /** What is different, in words; empty unless it is updated. */
  readonly fields: readonly string[]
}

/**
 * Compares an entry with the one that is there, field by field.
 *
 * @param before `'wrong'`: there is one, but nobody can read it
 */
export function diffEntry(
  before: FunctionEntry | 'wrong' | undefined,
  after: FunctionEntry,
): EntryDiff {
  const { id } = after
  if (before === undefined) return { id, change: 'added', fields: [] }
  if (before === 'wrong') return { id, change: 'updated', fields: ['replaces a wrong entry'] }
  const fields = changedFields(shown(before), shown(after))
  return { id, change: fields.length === 0 ? 'unchanged' : 'updated', fields }
}

/** As a person would find it in the store. */
function shown(entry: FunctionEntry): Readonly<Record<string, unknown>> {
  const { manifest, ...rest } = JSON.parse(formatFunctionEntry(entry))
  return { ...manifest, ...rest }
}

function changedFields(
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)])
  return Array.from(names).flatMap(name => {
    const [from, to] = [worded(name, before[name]), worded(name, after[name])]
    if (JSON.stringify(before[name]) === JSON.stringify(after[name])) return []
    return from === to ? [name] : [`${name}: ${from} -> ${to}`]
  })
}

/** Variables may be secrets, and of a hash the beginning tells enough. */
function worded(name: string, value: unknown): string {
  if (value === undefined) return 'none'
  if (name === 'env') return 'variables'
  if (name === 'code') return (value as { sha256: string }).sha256.slice(0, 12)
  return JSON.stringify(value)
}
