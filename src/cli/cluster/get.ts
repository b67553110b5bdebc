import { byId } from '../../by-id.ts'
import {
  formatFunctionEntry,
  parseNodeEntry,
  parseNodeStatus,
} from '../../control-plane/entry-schema.ts'
import type { FunctionEntry } from '../../control-plane/function-entry.ts'
import { FunctionStore } from '../../control-plane/function-store.ts'
import { NODES, STATUS } from '../../control-plane/keys.ts'
import type { NodeEntry, NodeStatus } from '../../control-plane/node-entry.ts'
import type { FezzError } from '../../errors.ts'
import { table } from '../table.ts'
import { type Session, withStore } from './session.ts'

/** What `fezz get` can show. */
export type Kind = 'functions' | 'nodes' | 'routes'

export interface GetOptions {
  readonly flags: Readonly<Record<string, unknown>>
  readonly json: boolean
}

/** `fezz get functions|nodes|routes`: what the store knows, for people or as JSON. */
export function get(kind: Kind, { flags, json }: GetOptions): Promise<void> {
  return withStore(flags, async session => {
    const { heads, rows, records, wrong } = await VIEWS[kind](session)
    if (json) {
      const errors = wrong.map(({ id, message }) => ({ id, error: message }))
      session.print(JSON.stringify([...records, ...errors]))
      return
    }
    session.print(rows.length === 0 ? `there are no ${kind}` : table([heads, ...rows]))
    if (wrong.length > 0) session.print('')
    for (const { message } of wrong) session.print(`WRONG: ${message}`)
  })
}

interface View {
  readonly heads: readonly string[]
  readonly rows: readonly (readonly string[])[]
  readonly records: readonly unknown[]
  /** Entries that nobody can read. */
  readonly wrong: readonly { readonly id: string; readonly message: string }[]
}

const VIEWS: Readonly<Record<Kind, (session: Session) => Promise<View>>> = {
  async functions({ store, log }) {
    const { entries, rejected } = await new FunctionStore(store, { log }).list()
    const functions = sorted(entries.values())
    return {
      heads: ['FUNCTION', 'VERSION', 'ARTIFACT', 'PLACEMENT', 'BALANCE'],
      rows: functions.map(entry => [
        entry.id,
        entry.manifest.version,
        entry.code?.sha256.slice(0, 12) ?? 'none',
        placementOf(entry),
        entry.balance,
      ]),
      records: functions.map(publicOf),
      wrong: complaints(rejected),
    }
  },

  async nodes({ store }) {
    const [listed, reported] = await Promise.all([store.list(NODES), store.list(STATUS)])
    const nodes: (NodeEntry & { readonly status?: NodeStatus | undefined })[] = []
    const wrong: { id: string; message: string }[] = []
    for (const [key, { value }] of listed.entries) {
      const id = key.slice(NODES.length)
      const reportKey = STATUS + id
      const report = reported.entries.get(reportKey)
      try {
        const status = report && parseNodeStatus(reportKey, report.value)
        nodes.push({ ...parseNodeEntry(key, value), status })
      } catch (error) {
        wrong.push({ id, message: (error as Error).message })
      }
    }
    return {
      heads: ['NODE', 'ADDRESS', 'STATE', 'ZONE', 'FUNCTIONS', 'REVISION', 'PROBLEMS'],
      rows: sorted(nodes).map(({ id, address, port, state, zone, status }) => [
        id,
        `${address.includes(':') ? `[${address}]` : address}:${port}`,
        state,
        zone === '' ? '-' : zone,
        String(status?.functions ?? '-'),
        status?.revision ?? '-',
        problemsOf(status),
      ]),
      records: sorted(nodes),
      wrong,
    }
  },

  async routes({ store, log }) {
    const { entries, rejected } = await new FunctionStore(store, { log }).list()
    const routes = sorted(entries.values()).flatMap(({ id, manifest }) =>
      manifest.routes.map(route => ({ ...route, function: id })),
    )
    routes.sort((a, b) => b.priority - a.priority)
    return {
      heads: ['METHODS', 'PATH', 'PRIORITY', 'FUNCTION'],
      rows: routes.map(({ methods, host = '', path, priority, function: id }) => [
        methods === 'ANY' ? 'ANY' : methods.join(','),
        host + path,
        String(priority),
        id,
      ]),
      records: routes,
      wrong: complaints(rejected),
    }
  },
}

function sorted<T extends { readonly id: string }>(items: Iterable<T>): T[] {
  return [...items].sort(byId)
}

function complaints(rejected: ReadonlyMap<string, FezzError>) {
  return Array.from(rejected, ([id, { message }]) => ({ id, message }))
}

/** As it is in the store, but for what may be secret: values of variables, and what signs a URL. */
function publicOf(entry: FunctionEntry): unknown {
  const { manifest, code, ...rest } = JSON.parse(formatFunctionEntry(entry))
  const names = Object.keys(manifest.env ?? {})
  const env = Object.fromEntries(names.map(name => [name, '[redacted]']))
  return {
    manifest: { ...manifest, ...(names.length > 0 && { env }) },
    ...(code && { code: { ...code, ...(code.url && { url: withoutSecrets(code.url) }) } }),
    ...rest,
  }
}

function withoutSecrets(address: string): string {
  const { protocol, host, pathname } = new URL(address)
  return `${protocol}//${host}${pathname}`
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
