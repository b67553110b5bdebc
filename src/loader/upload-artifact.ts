import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FezzError } from '../errors.ts'
import { BUNDLE_FILE, MAP_FILE } from './artifact.ts'
import type { ArtifactStore } from './artifact-store.ts'
import type { Artifact } from './cache.ts'
import { sha256Of } from './inputs.ts'

/**
 * Makes a built artifact available to all hosts.
 *
 * @returns whether it had to be written: not when the store has it
 * @throws FezzError `ARTIFACT_UNAVAILABLE`, also when the folder has something else than it should
 */
export async function uploadArtifact(
  store: ArtifactStore,
  { sha256, folder }: Artifact,
): Promise<boolean> {
  if (await store.has(sha256)) return false
  const path = join(folder, BUNDLE_FILE)
  const [bundle, map] = await Promise.all([
    readFile(path).catch(cause => {
      throw new FezzError('ARTIFACT_UNAVAILABLE', `${path} cannot be read; build again`, { cause })
    }),
    readFile(join(folder, MAP_FILE)).catch(() => undefined),
  ])
  const found = sha256Of(bundle)
  if (found !== sha256) {
    throw new FezzError(
      'ARTIFACT_UNAVAILABLE',
      `${path} has the sha256 ${found} instead of ${sha256}; delete its folder and build again`,
    )
  }
  await store.write({ sha256, bundle, ...(map !== undefined && { map }) })
  return true
}
