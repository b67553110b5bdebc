import { randomUUID } from 'node:crypto'
import { rename, rm, writeFile } from 'node:fs/promises'

export type { ArtifactCode } from '../function/contract.ts'

/** Files of an artifact's folder. */
export const BUNDLE_FILE = 'bundle.cjs'
export const MAP_FILE = 'bundle.cjs.map'
export const MANIFEST_FILE = 'manifest.json'

/** Writes a file whole or not at all, also with several processes writing it. */
export async function writeAtomically(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`
  try {
    await writeFile(temporary, content)
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}
