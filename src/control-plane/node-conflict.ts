import type { NodeEntry } from './node-entry.ts'
import type { Store } from './store.ts'

type Node = Omit<NodeEntry, 'state'>

/** A store takes a while to notice that a lease has run out. */
const EXPIRY_MARGIN_MS = 5_000
/** Consul knows no shorter lease, whatever the TTL: twice its shortest session. */
const CONSUL_EXPIRY_MS = 20_000

/**
 * Whether the entry under the id of `own` belongs to another host, so that `own` may not have it.
 *
 * @param hasJoined whether `own` has been registered before
 */
export function isRival(own: Node, found: Node, hasJoined: boolean): boolean {
  if (found.run === own.run) return false
  if (found.address !== own.address || found.port !== own.port) return true
  // Our predecessor: we hold its port. Of two in different networks that both say so, the one that
  // was started last has it, so that they don't take it from each other for ever.
  return hasJoined && Date.parse(found.startedAt) >= Date.parse(own.startedAt)
}

/** How long the entry of a host that has died is in the store, at most. */
export function expiryMs(kind: Store['kind'], ttlMs: number): number {
  return Math.max(ttlMs, kind === 'consul' ? CONSUL_EXPIRY_MS : 0) + EXPIRY_MARGIN_MS
}

/** For people: names both. */
export function describeConflict(own: Node, other: Node): string {
  return (
    `two hosts have the node id "${own.id}": ${described(other)} is registered, ` +
    `${described(own)} is this one; give one of them another --node-id`
  )
}

function described({ address, port, run, startedAt }: Node): string {
  const host = address.includes(':') ? `[${address}]` : address
  return `${host}:${port} (run ${run}, started at ${startedAt})`
}
