import { copyFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { ManifestInput } from '../../../src/function/manifest.ts'
import { temporaryFolder } from '../../helpers/cli.ts'
import type { Misbehaviour, Place } from './matrix.ts'

const SOURCES = resolve(import.meta.dirname, 'functions')

type Declared = Partial<ManifestInput>

/** The word in the manifest, and the limits that are to hold in it. */
const DECLARED: Readonly<Record<Place, Declared>> = {
  'in-process': { executor: 'in-process' },
  thread: { executor: 'thread' },
  process: { executor: 'process' },
  sandbox: { executor: 'process', sandbox: 'namespaces' },
  container: { executor: 'container' },
}

/** In every place the same, also where nothing holds them. */
const LIMITS: Declared = { memory: '192MiB', pids: 64, openFiles: 64, timeout: '20s' }

const MORE: { readonly [Name in Misbehaviour]?: Declared } = {
  'endless-loop': { timeout: '500ms' },
  'promise-chain': { timeout: '500ms' },
  // Enough memory for `pids` to be what ends it, and unloaded soon, for that ends what is left.
  'fork-bomb': { memory: '2GiB', idleTtl: '500ms' },
}

/**
 * A folder with the neighbour and, for each of `misbehaviours`, a file of that name: the same source
 * under another manifest.
 */
export async function servedFolder(
  place: Place,
  misbehaviours: readonly Misbehaviour[],
): Promise<string> {
  const folder = await temporaryFolder()
  await copyFile(join(SOURCES, 'neighbour.ts'), join(folder, 'neighbour.ts'))
  for (const misbehaviour of misbehaviours) {
    const manifest = { ...LIMITS, ...MORE[misbehaviour], ...DECLARED[place] }
    const lines = [
      `import { misbehaving } from ${JSON.stringify(join(SOURCES, 'misbehaviours.ts'))}`,
      `export const manifest = ${JSON.stringify(manifest)}`,
      `export default misbehaving(${JSON.stringify(misbehaviour)})`,
    ]
    await writeFile(join(folder, `${misbehaviour}.ts`), `${lines.join('\n')}\n`)
  }
  return folder
}
