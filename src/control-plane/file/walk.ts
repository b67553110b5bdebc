import type { Dirent } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type FileState, isGone, look } from './file-look.ts'

/** Enough to keep the thread pool busy, without a queue that everybody else has to wait behind. */
const AT_ONCE = 8

/** What is in a folder: `.json` files with their state, and folders, both by relative path. */
export interface Tree {
  readonly files: Map<string, FileState>
  /** The folder itself is `""`. */
  readonly folders: readonly string[]
}

/** Whether a name in the folder can be an entry's, or a folder of entries. */
export function isVisible(name: string): boolean {
  return !name.startsWith('.')
}

/**
 * Looks at every entry. What vanishes meanwhile is not there; names that begin with a dot are not
 * seen, links only where they lead to files.
 *
 * @throws what the file system throws for `root` itself
 */
export async function walk(root: string): Promise<Tree> {
  const folders: string[] = ['']
  const paths: string[] = []
  for (let folder = 0; folder < folders.length; folder++) {
    const under = folders[folder] as string
    const prefix = under === '' ? '' : `${under}/`
    for (const child of await children(join(root, under), under === '')) {
      if (!isVisible(child.name)) continue
      if (child.isDirectory()) folders.push(prefix + child.name)
      else if (child.name.endsWith('.json')) paths.push(prefix + child.name)
    }
  }
  return { files: await lookAtAll(root, paths), folders }
}

/** The state of those that exist. */
export async function lookAtAll(
  root: string,
  paths: readonly string[],
): Promise<Map<string, FileState>> {
  const found = new Map<string, FileState>()
  await forEachOf(paths, async path => {
    const state = await look(join(root, path))
    if (state !== undefined) found.set(path, state)
  })
  return found
}

/** Runs `task` over all items, a few at once. */
export async function forEachOf<T>(
  items: readonly T[],
  task: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0
  const work = async () => {
    while (next < items.length) await task(items[next++] as T)
  }
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, work))
}

async function children(path: string, isRoot: boolean): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true })
  } catch (error) {
    if (!isRoot && isGone(error)) return []
    throw error
  }
}
