import { existsSync, readdirSync, watch } from 'node:fs'
import { dirname, join, resolve, sep } from 'node:path'
import { SOURCE } from '../loader/discover.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { ServedFiles } from './served-files.ts'

/** Long enough for an editor that saves by writing a second file and renaming it. */
const SETTLE_MS = 80

/** Refreshes `files` whenever one of them changes, until it is disposed. */
export function watchFiles(files: ServedFiles, log: Logger): Disposable {
  let watching: AbortController | undefined = new AbortController()
  let pending: NodeJS.Timeout | undefined
  /** The folders in which a new name may be a source. */
  let homes: ReadonlySet<string> = new Set()

  const changed = (folder: string, event: string, name: string | null) => {
    if (name !== null && !matters(folder, event, name)) return
    clearTimeout(pending)
    pending = setTimeout(async () => {
      files.log(await files.refresh())
      watchFolders()
    }, SETTLE_MS)
  }
  const matters = (folder: string, event: string, name: string) => {
    if (name.startsWith('.')) return false
    const path = join(folder, name)
    for (const input of files.inputs) {
      if (input === path || input.startsWith(`${path}${sep}`)) return true
    }
    // A folder far above is watched for the package.json that it does not have: what else comes and
    // goes there is nobody's source, and where that never ends no change would have time to settle.
    // Nor is what only grows: a log in a watched folder would feed on its own error lines.
    return homes.has(folder) && (event === 'rename' || SOURCE.test(name))
  }
  // All anew each time: a folder that has been replaced is no longer the one that was watched.
  const watchFolders = () => {
    if (watching === undefined) return
    const before = watching
    watching = new AbortController()
    const { signal } = watching
    const inputs = [...files.inputs]
    const served = files.paths.flatMap(foldersOf)
    homes = new Set([...served, ...inputs.filter(input => existsSync(input)).map(dirname)])
    // Folders, not files: a file that is replaced or new would be missed.
    for (const folder of new Set([...homes, ...inputs.map(dirname)])) {
      try {
        watch(folder, { signal }, (event, name) => changed(folder, event, name)).on('error', err =>
          log.warn({ folder, err }, 'a folder is no longer watched'),
        )
      } catch (err) {
        if ((err as NodeJS.ErrnoException).code !== 'ENOENT') {
          log.warn({ folder, err }, 'a folder cannot be watched')
        }
      }
    }
    before.abort()
  }

  watchFolders()
  return {
    [Symbol.dispose]() {
      clearTimeout(pending)
      watching?.abort()
      watching = undefined
    },
  }
}

/** The folder of a path, and those in it: each may become a function of its own. */
function foldersOf(path: string): string[] {
  const folder = resolve(path)
  try {
    const within = readdirSync(folder, { withFileTypes: true })
      .filter(entry => entry.isDirectory() || entry.isSymbolicLink())
      .filter(entry => !/^[._]|^node_modules$/.test(entry.name))
      .map(entry => join(folder, entry.name))
    return [folder, ...within]
  } catch {
    // A file, or nothing yet.
    return [dirname(folder)]
  }
}
