import { lstat, mkdir, readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises'
import { dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { FezzError } from '../../errors.ts'
import { type InputStamp, readStamped, sha256Of } from '../inputs.ts'

/** One file or symbolic link of a function's folder. */
export interface SourceFile {
  /** From the folder's top, with `/`. */
  readonly path: string
  readonly isExecutable: boolean
  /** What it points to, of a symbolic link. */
  readonly target?: string
  /** Hex, of its content. */
  readonly sha256: string
}

/** Never part of what runs: version control, and what Fezz itself keeps or reads. */
const NEVER: readonly string[] = ['.git', '.hg', '.svn', '.DS_Store', '.fezz']

/** Files at once: more only wait for the same disk. */
const MAX_OPEN = 32

/**
 * The files of functions' folders. What has been read is remembered by size and time, so that to ask
 * again costs no more than a look at each file.
 */
export class SourceFiles {
  readonly #stamps = new Map<string, InputStamp>()

  /**
   * The files below a folder, in the order of their paths.
   *
   * @param leaveOut names at any depth
   * @param leaveOutPaths absolute paths
   * @throws FezzError `BUILD_FAILED` for a link that leads out of the folder
   */
  async list(
    folder: string,
    leaveOut: readonly string[],
    leaveOutPaths: readonly string[],
  ): Promise<SourceFile[]> {
    const names = new Set([...NEVER, ...leaveOut])
    const found = await walk(folder, '', names)
    const paths = found.filter(path => !isBelow(join(folder, path), leaveOutPaths)).sort()
    return inTurn(paths, path => this.#read(folder, path))
  }

  async #read(folder: string, path: string): Promise<SourceFile> {
    const place = join(folder, path)
    const found = await lstat(place, { bigint: true })
    if (found.isSymbolicLink()) {
      const target = await readlink(place)
      refuseLeadingOut(folder, path, target)
      return { path, isExecutable: false, target, sha256: sha256Of(target) }
    }
    const known = this.#stamps.get(place)
    const isSame =
      known?.mtimeNs === String(found.mtimeNs) && known.sizeBytes === Number(found.size)
    const stamp = isSame ? known : (await readStamped(place)).stamp
    this.#stamps.set(place, stamp)
    return { path, isExecutable: (found.mode & 0o111n) !== 0n, sha256: stamp.sha256 }
  }
}

/**
 * Copies files into a folder that exists.
 *
 * @throws FezzError `BUILD_FAILED` when one has changed since it was listed
 */
export async function copyFiles(
  files: readonly SourceFile[],
  from: string,
  to: string,
): Promise<void> {
  for (const folder of new Set(files.map(({ path }) => dirname(path)))) {
    await mkdir(join(to, folder), { recursive: true })
  }
  await inTurn(files, async ({ path, target, sha256, isExecutable }) => {
    if (target !== undefined) return symlink(target, join(to, path))
    const bytes = await readFile(join(from, path))
    if (sha256Of(bytes) !== sha256) {
      const message = `${join(from, path)} was changed while it was copied; build again`
      throw new FezzError('BUILD_FAILED', message)
    }
    await writeFile(join(to, path), bytes, { mode: isExecutable ? 0o755 : 0o644 })
  })
}

/** As many at a time as do the disk good. */
async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  for (let start = 0; start < items.length; start += MAX_OPEN) {
    results.push(...(await Promise.all(items.slice(start, start + MAX_OPEN).map(work))))
  }
  return results
}

async function walk(top: string, folder: string, leaveOut: ReadonlySet<string>): Promise<string[]> {
  const entries = await readdir(join(top, folder), { withFileTypes: true })
  const paths = await Promise.all(
    entries
      .filter(({ name }) => !leaveOut.has(name))
      .map(async entry => {
        const path = folder === '' ? entry.name : `${folder}/${entry.name}`
        if (entry.isDirectory()) return walk(top, path, leaveOut)
        return entry.isFile() || entry.isSymbolicLink() ? [path] : []
      }),
  )
  return paths.flat()
}

/** What it points to would be missing from the copy, or be the one file that is not copied. */
function refuseLeadingOut(folder: string, path: string, target: string): void {
  const way = relative(folder, resolve(folder, dirname(path), target))
  if (!isAbsolute(target) && way !== '..' && !way.startsWith('../')) return
  throw new FezzError(
    'BUILD_FAILED',
    `${join(folder, path)} is a link that leads out of the folder, to ${target}; put the file itself there`,
  )
}

function isBelow(path: string, folders: readonly string[]): boolean {
  return folders.some(folder => path === folder || path.startsWith(`${folder}/`))
}
