import { MATRIX, type Misbehaviour, type Place } from './matrix.ts'
import type { Seen } from './steady-client.ts'

/** What was measured while a function misbehaved. */
export interface Measured {
  readonly misbehaviour: Misbehaviour
  /** Status and code of its answer, or what became of the host. */
  readonly outcome: string
  /** By those who asked the neighbour. */
  readonly seen: Seen
  /** Of the host's memory. */
  readonly grownBytes: number
}

const HEADS = [
  '',
  'verdict',
  'outcome',
  'asked',
  'failed',
  'p50 ms',
  'p99 ms',
  'max ms',
  'host MiB',
]

/** The measurements as a table for people. */
export function report(place: Place, measured: readonly Measured[]): string {
  const rows = measured.map(({ misbehaviour, outcome, seen, grownBytes }) => [
    misbehaviour,
    MATRIX[misbehaviour][place].verdict,
    outcome,
    String(seen.asked),
    String(seen.failed),
    ...[seen.p50Ms, seen.p99Ms, seen.maxMs].map(ms => ms.toFixed(1)),
    `+${Math.max(0, Math.round(grownBytes / 2 ** 20))}`,
  ])
  const all = [[place, ...HEADS.slice(1)], ...rows]
  const widths = HEADS.map((_, column) => Math.max(...all.map(row => row[column]?.length ?? 0)))
  return all.map(row => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')).join('\n')
}
