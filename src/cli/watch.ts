import { type FSWatcher, statSync, watch } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import type { Logger } from '../telemetry/logger.ts'
import type { ServedFiles } from './served-files.ts'

/** Long enough for an editor that saves by writing a second file and renaming it. */
const SETTLE_MS = 80

/** Refreshes `files` whenever one of them changes, until it is disposed. */
export function watchFiles(files: ServedFiles, log: Logger): Disposable {
  const watchers = new Map<string, FSWatcher>()
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
    /\.[cm]?[jt]sx?$/.test(name) || [...files.inputs].some(input => basename(input) === name)
  // Folders, not files: a file that is replaced or new would be missed.
  const watchFolders = () => {
    const folders = new Set([...files.paths.map(folderOf), ...[...files.inputs].map(dirname)])
    for (const [folder, watcher] of watchers) {
      if (folders.has(folder)) continue
      watcher.close()
      watchers.delete(folder)
    }
    for (const folder of folders) {
      if (watchers.has(folder)) continue
      try {
        const watcher = watch(folder, changed)
        watcher.on('error', err => log.warn({ folder, err }, 'a folder is no longer watched'))
        watchers.set(folder, watcher)
      } catch (err) {
        if ((err as NodeJS.ErrnoException).code !== 'ENOENT') {
          log.warn({ folder, err }, 'a folder cannot be watched')
        }
      }
    }
  }

  watchFolders()
  return {
    [Symbol.dispose]() {
      clearTimeout(pending)
      for (const watcher of watchers.values()) watcher.close()
    },
  }
}

function folderOf(path: string): string {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory()
    ? resolve(path)
    : dirname(resolve(path))
}
