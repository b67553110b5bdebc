import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import { FezzError } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import { BUNDLE_FILE, MAP_FILE } from './artifact.ts'
import type { ArtifactSource } from './artifact-source.ts'
import { isReset } from './artifact-stores/requests.ts'
import { type Downloaded, type DownloadLimits, download } from './download.ts'

export interface FetchOptions {
  readonly limits: DownloadLimits
  readonly clock: Clock
  readonly log: Logger
  readonly signal: AbortSignal
}

/** A map is read in one go where a stack is printed. */
const MAX_MAP_BYTES = 8 * 2 ** 20

/** How long a map may keep a bundle waiting that is there already. */
const MAP_GRACE_MS = 1_000

/**
 * Fetches an artifact into an empty folder: bundle.cjs, and bundle.cjs.map if there is a good one.
 *
 * @returns the size of the bundle
 * @throws FezzError `ARTIFACT_UNAVAILABLE`, or what the file system says
 */
export async function fetchArtifact(
  source: ArtifactSource,
  sha256: string,
  folder: string,
  options: FetchOptions,
): Promise<number> {
  const mapLimit = new AbortController()
  const mapDone = fetchMap(source, join(folder, MAP_FILE), {
    ...options,
    signal: AbortSignal.any([options.signal, mapLimit.signal]),
  })
  try {
    const bundle = await fetchBundle(source, join(folder, BUNDLE_FILE), options)
    if (bundle.sha256 !== sha256) {
      throw new FezzError(
        'ARTIFACT_UNAVAILABLE',
        `${source.address} has other content (${bundle.sizeBytes} bytes, sha256 ${bundle.sha256})`,
      )
    }
    const timer = options.clock.setTimer(() => mapLimit.abort(), MAP_GRACE_MS)
    await mapDone
    timer.cancel()
    return bundle.sizeBytes
  } catch (error) {
    mapLimit.abort()
    // Nothing may be written into the folder any more.
    await mapDone
    throw error
  }
}

async function fetchBundle(
  { address, readBundle }: ArtifactSource,
  path: string,
  options: FetchOptions,
): Promise<Downloaded> {
  const attempt = () => download({ ...options, address, read: readBundle, path })
  try {
    return await attempt()
  } catch (error) {
    // Such as a kept-alive connection that the server was just about to close.
    if (options.signal.aborted || !isReset(error)) throw error
    await rm(path, { force: true })
    return attempt()
  }
}

/** Nothing vouches for a map, and nothing needs one: whatever is wrong with it, it is left out. */
async function fetchMap(
  { address, readMap }: ArtifactSource,
  path: string,
  { limits, clock, log, signal }: FetchOptions,
): Promise<void> {
  if (readMap === undefined) return
  const mapLimits = { ...limits, maxBytes: Math.min(limits.maxBytes, MAX_MAP_BYTES) }
  try {
    const mapAddress = `${address}.map`
    await download({ address: mapAddress, read: readMap, path, limits: mapLimits, clock, signal })
    if (!isSourceMap(await readFile(path, 'utf8'))) throw new Error('it is not a source map')
  } catch (error) {
    log.debug({ err: error, address }, 'an artifact has no usable source map')
    await rm(path, { force: true })
  }
}

function isSourceMap(text: string): boolean {
  const map: unknown = JSON.parse(text)
  if (typeof map !== 'object' || map === null) return false
  const { version, sources, mappings } = map as Readonly<Record<string, unknown>>
  return (
    version === 3 &&
    typeof mappings === 'string' &&
    Array.isArray(sources) &&
    sources.every(source => typeof source === 'string')
  )
}
