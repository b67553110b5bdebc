import { setTimeout as sleep } from 'node:timers/promises'
import { parseNodeEntry, parseNodeStatus } from '../../../src/control-plane/entry-schema.ts'
import type { FunctionEntry } from '../../../src/control-plane/function-entry.ts'
import type { FunctionListing, FunctionStore } from '../../../src/control-plane/function-store.ts'
import { NODES, STATUS } from '../../../src/control-plane/keys.ts'
import type { Listing, Store } from '../../../src/control-plane/store.ts'
import type { ManifestRoute } from '../../../src/function/manifest.ts'

/** The part of a host's status that is compared. */
export interface HostStatus {
  readonly functions: readonly {
    readonly name: string
    readonly version: string
    readonly state: string
    readonly routes: readonly ManifestRoute[]
  }[]
  readonly controlPlane: {
    readonly connected: boolean
    readonly revision: string
    readonly lagMs: number
    readonly functions: number
    readonly problems: readonly { readonly id: string; readonly message: string }[]
    readonly startedFrom?: 'store' | 'snapshot'
    readonly snapshotSavedAtMs?: number
    readonly listings: Readonly<Record<string, number>>
    readonly repaired: number
    readonly suspect: boolean
    readonly membership: { readonly registered: boolean; readonly state: string }
  }
}

/** A host that is to have what the store has. */
export interface Compared {
  readonly id: string
  readonly labels: Readonly<Record<string, string>>
  readonly port: number
}

export interface CompareOptions {
  readonly store: Store
  readonly functions: FunctionStore
  readonly hosts: readonly Compared[]
  /** Every good version that an entry has ever had, by id: what may be served while it is wrong. */
  readonly goodVersions: ReadonlyMap<string, readonly FunctionEntry[]>
  /** Time to become equal. Default 10,000. */
  readonly withinMs?: number
}

/**
 * Compares every host with a listing of the store until they are equal: functions, versions, routes,
 * answers, problems, and what the store says of the nodes.
 *
 * @returns how long it took, in milliseconds
 * @throws saying what differs when time is up
 */
export async function compare(options: CompareOptions): Promise<number> {
  const { withinMs = 10_000 } = options
  const startedMs = performance.now()
  for (;;) {
    const differences = await differencesOf(options).catch(error => [String(error)])
    const tookMs = performance.now() - startedMs
    if (differences.length === 0) return tookMs
    if (tookMs > withinMs) {
      const shown = differences.slice(0, 30).join('\n')
      throw new Error(`not equal after ${withinMs} ms, ${differences.length} differ:\n${shown}`)
    }
    await sleep(50)
  }
}

/** What a host says of itself. */
export async function statusOf(port: number): Promise<HostStatus> {
  const headers = { accept: 'application/json' }
  const answer = await fetch(`http://127.0.0.1:${port}/_metrics`, { headers })
  return (await answer.json()) as HostStatus
}

async function differencesOf(options: CompareOptions): Promise<string[]> {
  const { store, functions, hosts } = options
  const listed = await functions.list()
  const [nodes, statuses] = await Promise.all([store.list(NODES), store.list(STATUS)])
  const strangers = Array.from(nodes.entries.keys(), key => key.slice(NODES.length))
    .filter(id => !hosts.some(host => host.id === id))
    .map(id => `the store knows a node ${id} that is not there`)
  const found = await Promise.all(
    hosts.map(async host => {
      const status = await statusOf(host.port)
      return [
        ...(await differencesOfFunctions(host, status, listed, options.goodVersions)),
        ...differencesOfNode(host, status, listed, nodes, statuses),
      ].map(what => `${host.id}: ${what}`)
    }),
  )
  return [...strangers, ...found.flat()]
}

async function differencesOfFunctions(
  host: Compared,
  { functions, controlPlane }: HostStatus,
  { entries, rejected }: FunctionListing,
  goodVersions: CompareOptions['goodVersions'],
): Promise<string[]> {
  const wrong: string[] = []
  const served = new Map(functions.map(one => [one.name, one]))
  if (served.size < functions.length) wrong.push('an old version has not gone yet')
  for (const [id, entry] of entries) {
    if (!entry.isPlacedOn(host)) continue
    const one = served.get(id)
    served.delete(id)
    if (one === undefined) wrong.push(`${id} is missing, ${entry.manifest.version} in the store`)
    else if (!says(one, entry)) wrong.push(`${id} is ${one.version}, not as in the store`)
    else wrong.push(...(await wrongAnswer(host, entry)))
  }
  for (const id of rejected.keys()) {
    const one = served.get(id)
    served.delete(id)
    const known = one === undefined || goodVersions.get(id)?.some(entry => says(one, entry))
    if (!known) wrong.push(`${id} is ${one?.version}, which was never a good version`)
  }
  for (const id of served.keys()) wrong.push(`${id} is served, but not in the store`)
  const problems = controlPlane.problems.map(({ id }) => id).sort()
  const expected = [...rejected.keys()].sort()
  if (problems.join() !== expected.join()) {
    wrong.push(`problems ${problems.join()} instead of ${expected.join()}`)
  }
  return wrong
}

function says(served: HostStatus['functions'][number], { manifest }: FunctionEntry): boolean {
  return (
    served.version === manifest.version &&
    JSON.stringify(served.routes) === JSON.stringify(manifest.routes)
  )
}

/** What a test registers answers with its id and version. */
async function wrongAnswer({ port }: Compared, entry: FunctionEntry): Promise<string[]> {
  const { id, version, routes } = entry.manifest
  const answer = await fetch(`http://127.0.0.1:${port}${routes[0]?.path}`)
  const body = await answer.text()
  if (answer.status === 200 && body === `${id} ${version}`) return []
  return [`${id} answers ${answer.status} ${body} instead of ${version}`]
}

function differencesOfNode(
  { id, port }: Compared,
  { functions, controlPlane }: HostStatus,
  { rejected }: FunctionListing,
  nodes: Listing,
  statuses: Listing,
): string[] {
  const wrong: string[] = []
  const { connected, lagMs, suspect, membership } = controlPlane
  if (!connected || lagMs > 0 || suspect || !membership.registered) {
    wrong.push(`it says ${JSON.stringify({ connected, lagMs, suspect, membership })}`)
  }
  const nodeKey = NODES + id
  const node = nodes.entries.get(nodeKey)
  if (node === undefined) wrong.push('the store does not know the node')
  else {
    const entry = parseNodeEntry(nodeKey, node.value)
    if (entry.port !== port || entry.state !== 'ready') wrong.push(`its node is ${node.value}`)
  }
  const statusKey = STATUS + id
  const report = statuses.entries.get(statusKey)
  if (report === undefined) return [...wrong, 'the store has no status of the node']
  const status = parseNodeStatus(statusKey, report.value)
  const isSame = status.functions === functions.length && status.problems.length === rejected.size
  if (!isSame) wrong.push(`its status in the store is ${report.value}`)
  if (status.revision !== controlPlane.revision) {
    wrong.push(`it has applied ${controlPlane.revision}, and says ${status.revision} in the store`)
  }
  return wrong
}
