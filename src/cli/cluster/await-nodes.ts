import { parseNodeEntry, parseNodeStatus } from '../../control-plane/entry-schema.ts'
import { NODES, STATUS } from '../../control-plane/keys.ts'
import type { EntryProblem, NodeEntry, NodeStatus } from '../../control-plane/node-entry.ts'
import { Replica } from '../../control-plane/replica.ts'
import { compareRevisions, type Revision, type Store } from '../../control-plane/store.ts'
import { FezzError } from '../../errors.ts'
import type { Logger } from '../../telemetry/logger.ts'

export interface AwaitNodesOptions {
  readonly store: Store
  readonly log: Logger
  /** What they are to have applied. */
  readonly revision: Revision
  /** How many of them; `all` that are there and not draining. */
  readonly count: number | 'all'
  readonly timeoutMs: number
}

/** What the nodes have made of it. */
export interface Applied {
  /** Ids of the nodes that have applied it. */
  readonly nodes: readonly string[]
  /** What they could not put in force, with the node's id. */
  readonly problems: readonly (EntryProblem & { readonly node: string })[]
}

/**
 * Waits until nodes have applied everything up to a revision.
 *
 * @throws FezzError `STORE_UNAVAILABLE` when they have not within `timeoutMs`, naming those that lag
 */
export async function awaitNodes(options: AwaitNodesOptions): Promise<Applied> {
  const { store, log, revision, count, timeoutMs } = options
  const nodes = new Map<string, NodeEntry>()
  const statuses = new Map<string, NodeStatus>()
  const { promise, resolve, reject } = Promise.withResolvers<Applied>()

  const hasApplied = (id: string) => {
    const status = statuses.get(id)
    return status !== undefined && compareRevisions(status.revision, revision) >= 0
  }
  const awaited = () => [...nodes.values()].filter(({ state }) => state !== 'draining')
  let isComplete = false
  const check = () => {
    if (!isComplete) return
    const wanted = awaited()
    const applied = wanted.map(({ id }) => id).filter(hasApplied)
    if (applied.length < (count === 'all' ? wanted.length : count)) return
    const problems = applied.flatMap(node =>
      (statuses.get(node)?.problems ?? []).map(problem => ({ node, ...problem })),
    )
    resolve({ nodes: applied, problems })
  }
  await using nodeReplica = follow(store, log, NODES, nodes, parseNodeEntry, check)
  await using statusReplica = follow(store, log, STATUS, statuses, parseNodeStatus, check)
  const timer = setTimeout(() => {
    const lagging = awaited()
      .map(({ id }) => id)
      .filter(id => !hasApplied(id))
    const who = !isComplete
      ? 'the store does not answer'
      : lagging.length === 0
        ? `there are no more than ${awaited().length}`
        : `waiting for ${lagging.sort().join(', ')}`
    const wanted = count === 'all' ? 'all nodes' : count === 1 ? '1 node' : `${count} nodes`
    reject(
      new FezzError(
        'STORE_UNAVAILABLE',
        `registered, but not in force on ${wanted} within ${timeoutMs / 1000} s: ${who}; fezz get nodes tells more`,
      ),
    )
  }, timeoutMs)
  try {
    await Promise.race([Promise.all([nodeReplica.synced, statusReplica.synced]), promise])
    isComplete = true
    check()
    return await promise
  } finally {
    clearTimeout(timer)
  }
}

/** Keeps `into` the same as the entries under a prefix, by id. What cannot be read is left out. */
function follow<T>(
  store: Store,
  log: Logger,
  prefix: string,
  into: Map<string, T>,
  parse: (key: string, value: string) => T,
  changed: () => void,
): Replica {
  const replica = new Replica({
    store,
    log,
    prefix,
    onChange({ events }) {
      for (const { key, stored } of events) {
        const id = key.slice(prefix.length)
        into.delete(id)
        if (stored === undefined) continue
        try {
          into.set(id, parse(key, stored.value))
        } catch (error) {
          log.warn({ err: error }, 'an entry is left out')
        }
      }
      changed()
    },
  })
  replica.start()
  return replica
}
