import type { FoundFunction } from '../function/declared.ts'
import type { ArtifactCode } from './artifact.ts'

/** What the manifest worker is asked for: the functions of one bundle. */
export interface ManifestJob {
  readonly code: Pick<ArtifactCode, 'folder' | 'entry'>
  /** What default ids are made of. */
  readonly name: string
}

/** What it says: that it runs the module now, then how that ended. */
export type ManifestReply =
  | { readonly kind: 'evaluating' }
  | { readonly kind: 'found'; readonly functions: readonly FoundFunction[] }
  /** The message shows the user's own files and lines. */
  | {
      readonly kind: 'failed'
      readonly code: 'BUILD_FAILED' | 'INVALID_MANIFEST'
      readonly message: string
    }
