import type { Clock } from '../clock.ts'
import type { Code } from '../function/contract.ts'
import type { PlacementTarget } from '../function/placement.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { DeploymentTarget } from './deployment-target.ts'
import type { ArtifactReference } from './function-entry.ts'
import type { NodeStatus } from './node-entry.ts'
import type { ListingReason } from './replica.ts'
import type { Store } from './store.ts'

export interface ReconcilerOptions {
  readonly store: Store
  /** This host: what is not placed on it is left out. */
  readonly node: PlacementTarget
  readonly target: DeploymentTarget
  /** @throws when a host can't have such code; a problem of that entry */
  readonly codeOf: (reference: ArtifactReference) => Code
  /** The store as its URL says, without secrets: a snapshot of another one is not used. */
  readonly storeLabel: string
  readonly log: Logger
  /** Where the last good state is kept. Default: nowhere. */
  readonly snapshotFile?: string
  /** Called when the status has changed: something is in force, or has failed. */
  readonly onApplied?: () => void
  /** Default: the machine's. */
  readonly clock?: Clock
  /** In [0, 1); spreads waits. Default `Math.random`. */
  readonly random?: () => number
  /** Time between full compares with the store. Default 60,000. */
  readonly compareEveryMs?: number
  /** How long a start waits for the store before it takes the snapshot. Default 2,000. */
  readonly patienceMs?: number
  /** How long a store that had lost data must be quiet before it is believed. Default 10,000. */
  readonly settleMs?: number
}

/** What there is to know of a reconciler; the part of {@link NodeStatus} is what a node tells others. */
export interface ReconcilerStatus extends NodeStatus {
  readonly connected: boolean
  /** Age of the oldest change that is not in force; 0 when all are. */
  readonly lagMs: number
  /** Of how many entries there is a problem; `problems` lists the first 100. */
  readonly problemCount: number
  /** In milliseconds since 1970: when the state on the disk was saved. */
  readonly snapshotSavedAtMs: number | undefined
  /** Why the snapshot could not be written. */
  readonly snapshotError: unknown
  /** `undefined` until the first state is in force. */
  readonly startedFrom: 'store' | 'snapshot' | undefined
  /** Listings of the store, by reason. */
  readonly listings: ReadonlyMap<ListingReason, number>
  /** Entries that a periodic compare had to mend. */
  readonly repaired: number
  /** The store has lost functions that are served on. */
  readonly suspect: boolean
}
