/** Where a function may run; both conditions hold together, an absent one always does. */
export interface Placement {
  /** Ids of nodes. */
  readonly nodes?: readonly string[]
  /** Labels that a node must have, with these values. */
  readonly labels?: Readonly<Record<string, string>>
}

/** The part of a node that a placement asks about. */
export interface PlacementTarget {
  readonly id: string
  readonly labels: Readonly<Record<string, string>>
}

/** Whether a function with `placement` belongs on `node`. */
export function isPlacedOn({ nodes, labels }: Placement, node: PlacementTarget): boolean {
  if (nodes !== undefined && !nodes.includes(node.id)) return false
  return Object.entries(labels ?? {}).every(([name, value]) => node.labels[name] === value)
}

/**
 * How a proxy in front spreads the requests of a function: `affinity` prefers the same host, so that
 * it is loaded on few of them; `spread` uses all alike.
 */
export const BALANCES = ['affinity', 'spread'] as const
export type Balance = (typeof BALANCES)[number]
