import type { HostedFunction } from '../runtime/hosted-function.ts'

/** What is served, for a person at a terminal: a line per route. */
export function functionTable(functions: Iterable<HostedFunction>): string {
  const rows = [['FUNCTION', 'METHODS', 'PATH', 'STATE']]
  for (const { id, slot } of functions) {
    for (const [index, route] of slot.deployment.manifest.routes.entries()) {
      const { methods, path, host = '' } = route
      rows.push([
        index === 0 ? id : '',
        methods === 'ANY' ? 'ANY' : methods.join(','),
        host + path,
        index === 0 ? slot.state : '',
      ])
    }
  }
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map(row => row[column]?.length ?? 0)))
  return rows
    .map(row =>
      row
        .map((cell, column) => cell.padEnd(widths?.[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
