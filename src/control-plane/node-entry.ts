/** What a node says of itself: not yet, now, and soon no longer ready for requests. */
export const NODE_STATES = ['starting', 'ready', 'draining'] as const
export type NodeState = (typeof NODE_STATES)[number]

/** Value of `fezz/v1/nodes/{id}`: one running host. */
export interface NodeEntry {
  readonly id: string
  /** Where requests reach it: an IP address. */
  readonly address: string
  readonly port: number
  /** Locality; `""` when nobody has named one. */
  readonly zone: string
  readonly labels: Readonly<Record<string, string>>
  /** Its share of the load, relative to the other nodes: 1 to 128. */
  readonly capacity: number
  readonly state: NodeState
  /** New with every start: tells a host that came back from another one with its id. */
  readonly run: string
  /** Of Fezz. */
  readonly version: string
  /** ISO 8601. */
  readonly startedAt: string
}

/** Value of `fezz/v1/status/{id}`: what a host has made of the store. */
export interface NodeStatus {
  /** Everything up to this revision is in force, but for what is listed below. */
  readonly revision: string
  /** Functions that the host serves. */
  readonly functions: number
  /** Entries that are not in force as they stand, at most 100 of them, by id. */
  readonly problems: readonly EntryProblem[]
}

/** An entry that a host could not put in force. */
export interface EntryProblem {
  /** Id of the function. */
  readonly id: string
  /** What is wrong, for people. */
  readonly message: string
}
