import { FezzError } from '../errors.ts'
import { BUNDLE_FILE, MAP_FILE } from './artifact.ts'
import type { ArtifactStore } from './artifact-store.ts'
import { plainAddress, readBytes } from './artifact-stores/requests.ts'

type Read = (signal: AbortSignal) => Promise<AsyncIterable<Uint8Array>>

/** Where one artifact is fetched from. */
export interface ArtifactSource {
  /** For people: without credentials and query. */
  readonly address: string
  readonly readBundle: Read
  /** Absent where there can be no map. */
  readonly readMap?: Read
}

/** An artifact in a store. */
export function inStore(store: ArtifactStore, sha256: string): ArtifactSource {
  return {
    address: `${store.address.replace(/\/$/, '')}/${sha256}/${BUNDLE_FILE}`,
    readBundle: signal => store.read(sha256, BUNDLE_FILE, signal),
    readMap: signal => store.read(sha256, MAP_FILE, signal),
  }
}

/** An artifact whose bundle is at `address`. @throws FezzError `ARTIFACT_UNAVAILABLE` */
export function atAddress(address: string): ArtifactSource {
  const url = URL.parse(address)
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new FezzError('ARTIFACT_UNAVAILABLE', 'its url is not an http(s) address')
  }
  const readBundle: Read = signal => readBytes(url, signal)
  const source = { address: plainAddress(url), readBundle }
  // A signature is for one file only.
  if (url.search !== '') return source
  const mapUrl = new URL(url)
  mapUrl.pathname += '.map'
  return { ...source, readMap: signal => readBytes(mapUrl, signal) }
}
