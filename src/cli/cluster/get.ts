import {
  formatFunctionEntry,
  parseNodeEntry,
  parseNodeStatus,
} from '../../control-plane/entry-schema.ts'
import type { FunctionEntry } from '../../control-plane/function-entry.ts'
import { FunctionStore } from '../../control-plane/function-store.ts'
import { NODES, STATUS } from '../../control-plane/keys.ts'
import type { NodeEntry, NodeStatus } from '../../control-plane/node-entry.ts'
import { table } from '../table.ts'
import { type Session, withStore } from './session.ts'

/** What `fezz get` can show. */
export const KINDS = ['functions', 'nodes', 'routes'] as const
export type Kind = (typeof KINDS)[number]

export interface GetOptions {
  readonly flags: Readonly<Record<string, unknown>>
  readonly json: boolean
}

/** `fezz get functions|nodes|routes`: what the store knows, for people or as JSON. */
export function get(kind: Kind, { flags, json }: GetOptions): Promise<void> {
  return withStore(flags, async session => {
    const { rows, records } = await VIEWS[kind](session)
    if (json) session.print(JSON.stringify(records))
    else if (rows.length === 1) session.print(`there are no ${kind}`)
    else session.print(table(rows))
  })
}

interface View {
  /** The first is the heads. */
  readonly rows: readonly (readonly string[])[]
  readonly records: readonly unknown[]
}

const VIEWS: Readonly<Record<Kind, (session: Session) => Promise<View>>> = {
  async functions({ store, log }) {
    const { entries, rejected } = await new FunctionStore(store, { log }).list()
    const bad = Array.from(rejected, ([id, { message }]) => ({ id, error: message }))
    return {
      rows: [
        ['FUNCTION', 'VERSION', 'ARTIFACT', 'PLACEMENT', 'BALANCE'],
        ...sorted(entries.values()).map(entry => [
          entry.id,
          entry.manifest.version,
          entry.code?.sha256.slice(0, 12) ?? '',
          placementOf(entry),
          entry.balance,
        ]),
        ...bad.map(({ id, error }) => [id, `REJECTED: ${error}`]),
      ],
      records: [
        ...sorted(entries.values()).map(entry => JSON.parse(formatFunctionEntry(entry))),
        ...bad,
      ],
    }
  },

  async nodes({ store }) {
    const [listed, reported] = await Promise.all([store.list(NODES), store.list(STATUS)])
    const nodes: (NodeEntry & { readonly status?: NodeStatus | undefined })[] = []
    const bad: { readonly id: string; readonly error: string }[] = []
    for (const [key, { value }] of listed.entries) {
      const id = key.slice(NODES.length)
      const reportKey = STATUS + id
      const report = reported.entries.get(reportKey)
      try {
        const status = report && parseNodeStatus(reportKey, report.value)
        nodes.push({ ...parseNodeEntry(key, value), status })
      } catch (error) {
        bad.push({ id, error: (error as Error).message })
      }
    }
    return {
      rows: [
        ['NODE', 'ADDRESS', 'STATE', 'ZONE', 'FUNCTIONS', 'REVISION', 'PROBLEMS'],
        ...sorted(nodes).map(({ id, address, port, state, zone, status }) => [
          id,
          `${address.includes(':') ? `[${address}]` : address}:${port}`,
          state,
          zone,
          String(status?.functions ?? ''),
          status?.revision ?? '',
          problemsOf(status),
        ]),
        ...bad.map(({ id, error }) => [id, `WRONG: ${error}`]),
      ],
      records: [...sorted(nodes), ...bad],
    }
  },

  async routes({ store, log }) {
    const { entries } = await new FunctionStore(store, { log }).list()
    const routes = sorted(entries.values()).flatMap(({ id, manifest }) =>
      manifest.routes.map(route => ({ ...route, function: id })),
    )
    routes.sort((a, b) => b.priority - a.priority)
    return {
      rows: [
        ['METHODS', 'PATH', 'PRIORITY', 'FUNCTION'],
        ...routes.map(({ methods, host = '', path, priority, function: id }) => [
          methods === 'ANY' ? 'ANY' : methods.join(','),
          host + path,
          String(priority),
          id,
        ]),
      ],
      records: routes,
    }
  },
}

function sorted<T extends { readonly id: string }>(items: Iterable<T>): T[] {
  return [...items].sort((a, b) => (a.id < b.id ? -1 : 1))
}

function placementOf({ placement: { nodes, labels } }: FunctionEntry): string {
  const wanted = Object.entries(labels ?? {}).map(([name, value]) => `${name}=${value}`)
  const where = [...(nodes ?? []), ...wanted].join(',')
  return where === '' ? 'everywhere' : where
}

function problemsOf(status: NodeStatus | undefined): string {
  const [first, ...others] = status?.problems ?? []
  if (first === undefined) return ''
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`
  return `${first.id}: ${first.message}${more}`
}
