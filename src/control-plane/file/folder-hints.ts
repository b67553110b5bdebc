import { type FSWatcher, statSync, watch } from 'node:fs'
import { join } from 'node:path'
import { isVisible } from './walk.ts'

interface WatchedFolder {
  readonly watcher: FSWatcher
  readonly inode: number
}

/**
 * What the system says of changes in a tree of folders. It makes things prompt, and that is all:
 * a hint may be missing, late or about nothing.
 */
export class FolderHints {
  readonly #root: string
  readonly #hint: (path: string | undefined) => void
  readonly #watched = new Map<string, WatchedFolder>()

  /** @param hint called with the `.json` file that may have changed, or `undefined`: look everywhere */
  constructor(root: string, hint: (path: string | undefined) => void) {
    this.#root = root
    this.#hint = hint
  }

  /**
   * Watches these folders, given by relative path, and no others.
   *
   * @returns whether there are new ones, in which something may have changed unnoticed
   */
  follow(folders: readonly string[]): boolean {
    const wanted = new Set(folders)
    for (const folder of [...this.#watched.keys()]) if (!wanted.has(folder)) this.#drop(folder)
    let added = false
    for (const folder of wanted) if (this.#watch(folder)) added = true
    return added
  }

  close(): void {
    for (const folder of [...this.#watched.keys()]) this.#drop(folder)
  }

  #watch(folder: string): boolean {
    try {
      const path = join(this.#root, folder)
      const inode = statSync(path).ino
      if (this.#watched.get(folder)?.inode === inode) return false
      this.#drop(folder)
      const watcher = watch(path, (_, name) => this.#notice(folder, name))
      this.#watched.set(folder, { watcher, inode })
      watcher.on('error', () => this.#drop(folder))
      return true
    } catch {
      // Gone, or the system has no watches left: the periodic look is still there.
      return false
    }
  }

  #notice(folder: string, name: string | null): void {
    // `..data` is the link that Kubernetes turns to change all files of a volume at once.
    if (name === null || name.startsWith('..')) this.#hint(undefined)
    else if (!isVisible(name)) return
    else if (name.endsWith('.json')) this.#hint(folder === '' ? name : `${folder}/${name}`)
    else this.#hint(undefined)
  }

  #drop(folder: string): void {
    this.#watched.get(folder)?.watcher.close()
    this.#watched.delete(folder)
  }
}
