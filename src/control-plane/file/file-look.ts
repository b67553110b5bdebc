import { type Stats, stat } from 'node:fs'
import { open } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

/** A file that was written in place this lately may be written on. */
const SETTLE_MS = 20
/** Then a file that is still written is left for later. */
const SETTLE_ROUNDS = 10
/** No value of a store is that long. */
const MAX_FILE_BYTES = 16 * 1024 * 1024

/** What changes whenever a file does, and also when it is another file. */
export type FileState = Pick<Stats, 'ino' | 'size' | 'mtimeMs' | 'ctimeMs'>

/** Whether nothing has happened to a file between two looks. */
export function isSameState(a: FileState | undefined, b: FileState): boolean {
  return (
    a !== undefined &&
    a.ctimeMs === b.ctimeMs &&
    a.mtimeMs === b.mtimeMs &&
    a.size === b.size &&
    a.ino === b.ino
  )
}

/** A copy, without the rest of what stat says. */
function stateOf({ ino, size, mtimeMs, ctimeMs }: Stats): FileState {
  return { ino, size, mtimeMs, ctimeMs }
}

/**
 * When the file changed last, in microseconds since 1970. The time of the inode cannot be set back
 * by anybody; the time of the content can be set ahead, which is how a writer makes it grow.
 */
export function stampOf(stats: FileState): number {
  return Math.floor(Math.max(stats.mtimeMs, stats.ctimeMs) * 1_000)
}

/** One content of one file: stays the same when it is renamed, and ends with the next write. */
export function markOf(stats: FileState): string {
  return `${stats.ino}:${stats.mtimeMs}`
}

/**
 * The state of a file; `undefined` when there is none. With 10,000 of them at once, the promises of
 * `fs.promises` and all that `Stats` holds are most of the work.
 */
export function look(path: string): Promise<FileState | undefined> {
  return new Promise((resolve, reject) => {
    stat(path, (error, stats) => {
      if (error === null) resolve(stats.isFile() ? stateOf(stats) : undefined)
      else if (isGone(error)) resolve(undefined)
      else reject(error)
    })
  })
}

/** Whether the error says that there is no such file. */
export function isGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOENT' || code === 'ENOTDIR'
}

/** A text, and the file's state when it was read. */
export interface SettledFile {
  readonly text: string
  readonly state: FileState
}

/**
 * Reads a file once nobody is writing it.
 *
 * @returns `'gone'` when there is no such file, `'busy'` when it is still being written
 */
export async function readSettled(path: string): Promise<SettledFile | 'gone' | 'busy'> {
  let before: FileState | undefined
  for (let round = 0; round < SETTLE_ROUNDS; round++) {
    try {
      await using file = await open(path)
      const stats = await file.stat()
      if (!stats.isFile()) return 'gone'
      if (stats.size > MAX_FILE_BYTES) throw new Error(`larger than ${MAX_FILE_BYTES} bytes`)
      if (isSameState(before, stats) || isWhole(stats)) {
        const text = await file.readFile('utf8')
        // By its path: a file that was replaced meanwhile gets a new time by that, which is to the
        // tick the time of its successor. The old text would pass for the new one.
        const after = await look(path)
        if (after !== undefined && isSameState(stats, after)) return { text, state: after }
      }
      before = stats
    } catch (error) {
      if (isGone(error)) return 'gone'
      throw error
    }
    await delay(SETTLE_MS)
  }
  return 'busy'
}

/**
 * A write in place sets both times to the same; where they differ, the file was renamed or had its
 * times set after it was written.
 */
function isWhole(stats: Stats): boolean {
  return stats.mtimeMs !== stats.ctimeMs || Math.abs(Date.now() - stats.ctimeMs) > SETTLE_MS
}
