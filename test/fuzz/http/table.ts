import type { Report } from './run.ts'

/** A run's result for people, in Markdown. */
export function showReport(report: Report): string {
  const { requests, accepted, connections, same, stricter, failures } = report
  const rows = [...stricter]
    .sort(([, one], [, other]) => other - one)
    .map(([rule, count]) => `| ${rule} | ${count} |`)
  return [
    `${requests} requests on ${connections} connections; both read ${accepted} whole and alike.`,
    `On ${same} connections they agree to the end; ${failures.length} failures.`,
    '',
    '| Refused here, read by node | Connections |',
    '| --- | ---: |',
    ...rows,
  ].join('\n')
}
