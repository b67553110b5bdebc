import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { DrainWatch } from '../control-plane/drain-watch.ts'
import { Membership, type MembershipStatus } from '../control-plane/membership.ts'
import type { NodeEntry, NodeState } from '../control-plane/node-entry.ts'
import {
  Reconciler,
  type ReconcilerOptions,
  type ReconcilerStatus,
} from '../control-plane/reconciler.ts'
import { StatusReport } from '../control-plane/status-report.ts'
import type { Store } from '../control-plane/store.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { HostConfig } from './config.ts'

export interface ClusterMemberOptions {
  readonly config: HostConfig
  readonly store: Store
  readonly node: Omit<NodeEntry, 'state'>
  /** What the entries of the store are put in force on. */
  readonly target: ReconcilerOptions['target']
  readonly codeOf: ReconcilerOptions['codeOf']
  readonly log: Logger
  /** Called with every change of what the store is told, too. */
  readonly onReadiness: (state: NodeState) => void
}

/** Plain data, that can be told as JSON. */
export interface ClusterMemberStatus extends Omit<ReconcilerStatus, 'listings' | 'snapshotError'> {
  readonly node: string
  readonly membership: MembershipStatus
  /** Listings of the store, by reason. */
  readonly listings: Readonly<Record<string, number>>
  readonly snapshotError: string | undefined
}

/** Who wants the node drained; it is ready again when nobody does. */
export type DrainReason = 'operator' | 'shutdown'

/** A host's part in a cluster: it serves what the store says, and the store says that it is there. */
export class ClusterMember implements AsyncDisposable {
  readonly #options: ClusterMemberOptions
  readonly #membership: Membership
  readonly #report: StatusReport
  readonly #drains: DrainWatch
  readonly #reconciler: Reconciler
  readonly #drainReasons = new Set<DrainReason>()
  #hasFunctions = false
  #closing: Promise<void> | undefined

  constructor(options: ClusterMemberOptions) {
    const { config, store, node, target, codeOf, log } = options
    const { nodeTtlMs: ttlMs } = config
    const storeLabel = config.store?.label ?? store.kind
    this.#options = options
    this.#membership = new Membership({ store, node, ttlMs, log })
    this.#report = new StatusReport({
      store,
      nodeId: node.id,
      membership: this.#membership,
      log,
    })
    this.#drains = new DrainWatch({
      store,
      nodeId: node.id,
      onDrain: draining => this.setDraining('operator', draining),
      log,
    })
    this.#reconciler = new Reconciler({
      store,
      node,
      target,
      codeOf,
      snapshotFile: join(config.stateDir, `${nameOf(storeLabel)}.snapshot`),
      storeLabel,
      log,
      onApplied: () => this.#reportStatus(),
    })
  }

  /**
   * Resolves when the functions are in force and the node is known.
   *
   * @throws FezzError `INVALID_CONFIG` when another host has this node's id
   */
  async start(): Promise<void> {
    const joined = this.#membership.join()
    this.#drains.start()
    const served = this.#reconciler.start().then(startedFrom => {
      this.#hasFunctions = true
      this.#tell()
      const { functions, revision } = this.#reconciler.status()
      const { log, node } = this.#options
      log.info({ nodeId: node.id, startedFrom, functions, revision }, 'ready')
    })
    await Promise.all([joined, served])
  }

  /** The node is `draining` as long as anybody wants it to be. */
  setDraining(reason: DrainReason, draining: boolean): void {
    if (draining) this.#drainReasons.add(reason)
    else this.#drainReasons.delete(reason)
    this.#tell()
  }

  status(): ClusterMemberStatus {
    const { listings, snapshotError, ...rest } = this.#reconciler.status()
    return {
      node: this.#options.node.id,
      membership: this.#membership.status(),
      ...rest,
      listings: Object.fromEntries(listings),
      snapshotError: snapshotError === undefined ? undefined : String(snapshotError),
    }
  }

  /** Takes the node out of the store; the functions stay in force. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    await Promise.all([
      this.#membership.leave(),
      this.#report.close(),
      this.#drains.close(),
      this.#reconciler.close(),
    ])
  }

  #reportStatus(): void {
    const { revision, functions, problems } = this.#reconciler.status()
    this.#report.report({ revision, functions, problems })
  }

  #tell(): void {
    const state =
      this.#drainReasons.size > 0 ? 'draining' : this.#hasFunctions ? 'ready' : 'starting'
    this.#options.onReadiness(state)
    void this.#membership.setState(state)
  }
}

/** The same for every host of a store: its snapshot holds what the store held, whoever wrote it. */
function nameOf(storeLabel: string): string {
  return createHash('sha256').update(storeLabel).digest('hex').slice(0, 16)
}
