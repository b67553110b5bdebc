import type { ManifestRoute } from '../function/manifest.ts'
import type { Balance, Placement } from '../function/placement.ts'

/** A node as Envoy sees it. */
export interface NodeView {
  readonly id: string
  /** IP address and port of its data plane. */
  readonly address: string
  readonly port: number
  readonly zone: string
  readonly labels: Readonly<Record<string, string>>
  /** Relative weight, 1 to 128. */
  readonly capacity: number
  readonly state: 'starting' | 'ready' | 'draining'
}

/** A function as Envoy sees it. */
export interface FunctionView {
  readonly id: string
  readonly routes: readonly ManifestRoute[]
  readonly timeoutMs: number
  readonly placement: Placement
  readonly balance: Balance
}

/** All that is turned into Envoy's resources. */
export interface ClusterView {
  readonly nodes: readonly NodeView[]
  readonly functions: readonly FunctionView[]
}
