import type { ListenerKind } from '../../../src/http/listener.ts'
import type { Trial } from './trial.ts'

const HEADS = ['', 'alone p50', 'p99', 'attacked p50', 'p99', 'max', 'ratio', 'failed', 'ended']

/** The trials as a table for people; times in milliseconds. */
export function trialReport(listener: ListenerKind, trials: readonly Trial[]): string {
  const rows = trials.map(({ name, alone, attacked, outcomes, counted }) => [
    name,
    ...[alone.p50Ms, alone.p99Ms, attacked.p50Ms, attacked.p99Ms, attacked.maxMs].map(ms =>
      ms.toFixed(1),
    ),
    (attacked.p99Ms / alone.p99Ms).toFixed(1),
    `${attacked.failed.length} of ${attacked.asked}`,
    [...shares(outcomes), ...shares(counted)].join(', '),
  ])
  const all = [[listener, ...HEADS.slice(1)], ...rows]
  const widths = HEADS.map((_, column) => Math.max(...all.map(row => row[column]?.length ?? 0)))
  return all.map(row => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')).join('\n')
}

function shares(counts: object): string[] {
  return Object.entries(counts).map(([what, count]) => `${count} × ${what}`)
}
