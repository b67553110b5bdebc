import type { HostedFunction } from '../runtime/hosted-function.ts'
import { table } from './table.ts'

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
  return table(rows)
}
