import { FezzError } from '../../errors.ts'
import { BUNDLE_FILE, MAP_FILE } from '../artifact.ts'
import type { ArtifactFile, ArtifactStore, StoredArtifact } from '../artifact-store.ts'
import { plainAddress, readBytes, send } from './requests.ts'

/** Takes each write that names no limit of its own. */
const WRITE_MS = 60_000
const HAS_MS = 10_000

/** An artifact store behind HTTP: GET and HEAD to read, PUT to write. */
export class HttpArtifactStore implements ArtifactStore {
  readonly address: string
  readonly #base: URL

  constructor(base: URL) {
    this.#base = base
    this.address = plainAddress(base)
  }

  async has(sha256: string, signal = AbortSignal.timeout(HAS_MS)): Promise<boolean> {
    const url = this.#url(sha256, BUNDLE_FILE)
    const response = await send(url, { method: 'HEAD', signal })
    if (response.ok) return true
    if (response.status === 404 || response.status === 410) return false
    throw refusal(url, response)
  }

  read(
    sha256: string,
    file: ArtifactFile,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>> {
    return readBytes(this.#url(sha256, file), signal)
  }

  async write(
    { sha256, bundle, map }: StoredArtifact,
    signal = AbortSignal.timeout(WRITE_MS),
  ): Promise<void> {
    if (map !== undefined) await this.#put(this.#url(sha256, MAP_FILE), map, signal)
    await this.#put(this.#url(sha256, BUNDLE_FILE), bundle, signal)
  }

  async #put(url: URL, body: Uint8Array, signal: AbortSignal): Promise<void> {
    const response = await send(url, { method: 'PUT', body, signal })
    await response.body?.cancel()
    if (!response.ok) throw refusal(url, response)
  }

  #url(sha256: string, file: ArtifactFile): URL {
    const url = new URL(this.#base)
    url.pathname = `${url.pathname.replace(/\/+$/, '')}/${sha256}/${file}`
    return url
  }
}

function refusal(url: URL, { status }: Response): FezzError {
  return new FezzError('ARTIFACT_UNAVAILABLE', `${plainAddress(url)} answered ${status}`)
}
