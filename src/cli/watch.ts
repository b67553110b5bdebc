import { readdirSync, watch } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { SOURCE } from '../loader/discover.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { ServedFiles } from './served-files.ts'

/** Long enough for an editor that saves by writing a second file and renaming it. */
const SETTLE_MS = 80

/** Refreshes `files` whenever one of them changes, until it is disposed. */
export function watchFiles(files: ServedFiles, log: Logger): Disposable {
  let watching: AbortController | undefined = new AbortController()
  let pending: NodeJS.Timeout | undefined

  const changed = (event: string, name: string | null) => {
    // A file that only grows, such as a log, is nobody's source: without this, a log in a watched
    // folder would feed on its own error lines.
    const matters = name === null || event === 'rename' || isSource(name)
    if (!matters || name?.startsWith('.')) return
    clearTimeout(pending)
    pending = setTimeout(async () => {
      files.log(await files.refresh())
      watchFolders()
    }, SETTLE_MS)
  }
  const isSource = (name: string) =>
    SOURCE.test(name) || [...files.inputs].some(input => basename(input) === name)
  // All anew each time: a folder that has been replaced is no longer the one that was watched.
  const watchFolders = () => {
    if (watching === undefined) return
    const before = watching
    watching = new AbortController()
    const { signal } = watching
    // Folders, not files: a file that is replaced or new would be missed.
    for (const folder of new Set([
      ...files.paths.flatMap(foldersOf),
      ...[...files.inputs].map(dirname),
    ])) {
      try {
        watch(folder, { signal }, changed).on('error', err =>
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
