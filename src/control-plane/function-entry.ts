import type { Manifest } from '../function/manifest.ts'
import {
  type Balance,
  isPlacedOn,
  type Placement,
  type PlacementTarget,
} from '../function/placement.ts'

/** The built code of one version, wherever it is kept. */
export interface ArtifactReference {
  /** Hex sha256 of bundle.cjs. */
  readonly sha256: string
  /** Name of the export that is the function. */
  readonly exportName: string
  /** Where bundle.cjs is, such as a signed URL; absent: in the artifact store of the host, by sha256. */
  readonly url?: string
}

/**
 * A function as the control plane knows it: what it is, where its code is, where it runs. Immutable;
 * each step answers with a new one.
 *
 * @example
 * await functions.register(new FunctionEntry(manifest).artifact(built).onNode('node-1'))
 */
export class FunctionEntry {
  readonly manifest: Manifest
  readonly code: ArtifactReference | undefined
  /** Default: everywhere. */
  readonly placement: Placement
  readonly balance: Balance

  constructor(
    manifest: Manifest,
    options: {
      readonly code?: ArtifactReference | undefined
      readonly placement?: Placement
      readonly balance?: Balance
    } = {},
  ) {
    this.manifest = manifest
    this.code = options.code
    this.placement = options.placement ?? {}
    this.balance = options.balance ?? 'affinity'
  }

  /** The function's id. */
  get id(): string {
    return this.manifest.id
  }

  /** Whether the function belongs on `node`. */
  isPlacedOn(node: PlacementTarget): boolean {
    return isPlacedOn(this.placement, node)
  }
}
