import { mkdir, mkdtemp, readlink, rename, rm, symlink } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive, isExecutable } from './run.ts'

/** Unpacked and built programs are kept here between runs; outside the tree, so `npm ci` spares it. */
export const CACHE = join(
  process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'),
  'fezz-services',
)

/**
 * A program in a folder of the cache; the folder is made by the first caller who lacks it, while
 * all others, in other processes too, wait for that one.
 *
 * @param folder its name in the cache, with the version in it
 * @param path of the program in the folder
 * @param make gets the files into `scratch`; resolves with where the folder to keep is in there
 */
export async function cached(
  folder: string,
  path: string,
  make: (scratch: string) => Promise<string>,
): Promise<string> {
  const kept = join(CACHE, folder)
  const program = join(kept, path)
  if (await isExecutable(program)) return program
  await mkdir(CACHE, { recursive: true })
  const unlock = await lock(join(CACHE, `${folder}.lock`))
  // Aside and then renamed: whoever is interrupted leaves nothing that looks finished.
  const scratch = await mkdtemp(join(CACHE, `${folder}-`))
  try {
    if (await isExecutable(program)) return program
    const made = join(scratch, await make(scratch))
    if (!(await isExecutable(join(made, path)))) throw new Error(`the package has no ${path}`)
    await rm(kept, { recursive: true, force: true })
    await rename(made, kept)
    return program
  } finally {
    await rm(scratch, { recursive: true, force: true })
    await unlock()
  }
}

/**
 * A lock between processes: a symbolic link to the id of its holder, made in one step.
 *
 * @returns what unlocks it
 */
export async function lock(file: string): Promise<() => Promise<void>> {
  for (;;) {
    try {
      await symlink(String(process.pid), file)
      return () => rm(file, { force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const holder = Number(await readlink(file).catch(() => undefined))
    // Two may break a dead holder's lock at once: then the work is done twice, and does no harm.
    if (holder > 0 && !isAlive(holder)) await rm(file, { force: true })
    else await sleep(100)
  }
}
