import type { BUNDLE_FILE, MAP_FILE } from './artifact.ts'

/** A file of an artifact as it is kept in a store. */
export type ArtifactFile = typeof BUNDLE_FILE | typeof MAP_FILE

/**
 * Where hosts get the code of functions from: `<sha256>/bundle.cjs` and, if there is one,
 * `<sha256>/bundle.cjs.map` under one address. Nothing in it ever changes, so copies may be kept.
 *
 * Errors are FezzError `ARTIFACT_UNAVAILABLE`; none of them shows credentials or the query of an
 * address. Calls take no longer than their `signal` allows.
 */
export interface ArtifactStore {
  /** For people: without credentials and query. */
  readonly address: string

  /** Whether it has the bundle. */
  has(sha256: string, signal?: AbortSignal): Promise<boolean>

  /** Bytes of a file as the store gives them: nobody has compared them with the sha256. */
  read(sha256: string, file: ArtifactFile, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>

  /** Keeps an artifact; the bundle is written last, so that who sees it sees all of it. */
  write(artifact: StoredArtifact, signal?: AbortSignal): Promise<void>
}

/** An artifact to be kept. */
export interface StoredArtifact {
  /** Hex sha256 of `bundle`. */
  readonly sha256: string
  readonly bundle: Uint8Array
  readonly map?: Uint8Array
}
