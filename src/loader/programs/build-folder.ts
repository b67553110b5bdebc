import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { FezzError } from '../../errors.ts'

const TEMPORARY = '.tmp'
/** Who runs as another user finds his own folder; nobody can look for those of others. */
const MODE_PASSABLE = 0o711
/** No build takes longer; what is older was left by a host that was killed. */
const LEFTOVER_MS = 24 * 3_600_000

/** What {@link buildOnce} has found or made. */
interface OnceBuilt {
  readonly path: string
  readonly isNew: boolean
}

/**
 * Makes `folder/<key>` once: `build` fills a folder beside it, which then takes that name. Any number
 * of processes may do so at the same time; the first to be done wins. A build that throws leaves
 * nothing.
 *
 * @returns the path of the folder, and whether it was made now
 * @throws FezzError `BUILD_FAILED` when the disk refuses; what `build` throws
 */
export async function buildOnce(
  folder: string,
  key: string,
  build: (temporary: string) => Promise<void>,
): Promise<OnceBuilt> {
  const path = join(folder, key)
  if (await exists(path)) return { path, isNew: false }
  const temporary = join(folder, `${key}.${randomUUID()}${TEMPORARY}`)
  try {
    await mkdir(folder, { recursive: true, mode: MODE_PASSABLE })
    await mkdir(temporary)
    await removeLeftovers(folder)
    await build(temporary)
    await rename(temporary, path).catch(async error => {
      if (!(await exists(path))) throw error
    })
  } catch (error) {
    if (error instanceof FezzError) throw error
    const { code, message } = error as NodeJS.ErrnoException
    throw new FezzError(
      'BUILD_FAILED',
      `the cache folder ${folder} cannot be written (${code ?? message}); choose another --cache-dir`,
      { cause: error },
    )
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
  return { path, isNew: true }
}

async function removeLeftovers(folder: string): Promise<void> {
  const oldest = Date.now() - LEFTOVER_MS
  for (const name of await readdir(folder)) {
    if (!name.endsWith(TEMPORARY)) continue
    const path = join(folder, name)
    const found = await stat(path).catch(() => undefined)
    if (found && found.mtimeMs < oldest) await rm(path, { recursive: true, force: true })
  }
}

async function exists(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  return found !== undefined
}
