import { isDeepStrictEqual } from 'node:util'
import type { Manifest, ManifestInput } from '../function/manifest.ts'
import { checkManifest } from '../function/manifest-schema.ts'
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

/** All of an entry but its manifest. */
export interface FunctionEntryOptions {
  readonly code?: ArtifactReference | undefined
  /** Default: everywhere. */
  readonly placement?: Placement
  /** Default `affinity`. */
  readonly balance?: Balance
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
  /** Absent: declared only; a host has nothing to run. */
  readonly code: ArtifactReference | undefined
  readonly placement: Placement
  readonly balance: Balance

  /**
   * @param manifest checked, or as people write it
   * @throws FezzError `INVALID_MANIFEST`
   */
  constructor(manifest: Manifest | ManifestInput, options: FunctionEntryOptions = {}) {
    this.manifest = isChecked(manifest) ? manifest : checkManifest(manifest, 'FunctionEntry')
    this.code = options.code && Object.freeze({ ...options.code })
    this.placement = frozenPlacement(options.placement ?? {})
    this.balance = options.balance ?? 'affinity'
    Object.freeze(this)
  }

  /** The function's id. */
  get id(): string {
    return this.manifest.id
  }

  /** With this code. `exportName` is `default` where the reference does not say. */
  artifact(
    reference: Omit<ArtifactReference, 'exportName'> & { exportName?: string },
  ): FunctionEntry {
    const { sha256, exportName = 'default', url } = reference
    return this.#with({ code: { sha256, exportName, ...(url !== undefined && { url }) } })
  }

  /** Only on these nodes; what {@link onLabels} asks stays. */
  onNode(...ids: readonly [string, ...string[]]): FunctionEntry {
    return this.#with({ placement: { ...this.placement, nodes: ids } })
  }

  /** Only on nodes with all these labels; what {@link onNode} asks stays. */
  onLabels(labels: Readonly<Record<string, string>>): FunctionEntry {
    return this.#with({ placement: { ...this.placement, labels } })
  }

  /** On every node: the default. */
  everywhere(): FunctionEntry {
    return this.#with({ placement: {} })
  }

  /** How a proxy in front spreads its requests; `affinity` is the default. */
  balanced(balance: Balance): FunctionEntry {
    return this.#with({ balance })
  }

  /** Whether the function belongs on `node`. */
  isPlacedOn(node: PlacementTarget): boolean {
    return isPlacedOn(this.placement, node)
  }

  /** Whether both say the same. */
  equals(other: FunctionEntry): boolean {
    return (
      isDeepStrictEqual(this.manifest, other.manifest) &&
      isDeepStrictEqual(this.code, other.code) &&
      isDeepStrictEqual(this.placement, other.placement) &&
      this.balance === other.balance
    )
  }

  #with(options: FunctionEntryOptions): FunctionEntry {
    const { manifest, code, placement, balance } = this
    return new FunctionEntry(manifest, { code, placement, balance, ...options })
  }
}

/** Only what has been checked keeps how it runs in a record of its own. */
function isChecked(manifest: Manifest | ManifestInput): manifest is Manifest {
  return 'execution' in manifest
}

/** Without what asks nothing. */
function frozenPlacement({ nodes, labels }: Placement): Placement {
  const asksLabels = labels !== undefined && Object.keys(labels).length > 0
  return Object.freeze({
    ...(nodes !== undefined && { nodes: Object.freeze([...nodes]) }),
    ...(asksLabels && { labels: Object.freeze({ ...labels }) }),
  })
}
