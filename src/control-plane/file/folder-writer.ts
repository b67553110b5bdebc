import { randomUUID } from 'node:crypto'
import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Clock } from '../../clock.ts'
import { FezzError } from '../../errors.ts'
import { isGone, look, markOf, stampOf } from './file-look.ts'
import { FolderLock } from './folder-lock.ts'
import { type ExpiredLease, type LeaseRecord, readLease } from './lease-folder.ts'

/** Where the store keeps what is not an entry. */
export const PRIVATE_FOLDER = '.fezz'

/**
 * Changes the files of a folder, one writer at a time among all processes. What it writes is there
 * whole or not at all, and has a time of change above all before it: that is its revision.
 */
export class FolderWriter {
  readonly #root: string
  readonly #private: string
  readonly #lock: FolderLock

  constructor(root: string, clock: Clock) {
    this.#root = root
    this.#private = join(root, PRIVATE_FOLDER)
    this.#lock = new FolderLock(join(this.#private, 'lock'), clock)
  }

  /** Runs `task` while nobody else writes. @throws what the file system throws */
  async exclusively<T>(task: () => Promise<T>): Promise<T> {
    await this.#prepare()
    await using _ = await this.#lock.acquire()
    return await task()
  }

  /** The highest revision that a writer has given out; 0 when there is none. */
  async counted(): Promise<number> {
    try {
      return Number(await readFile(join(this.#private, 'revision'), 'utf8')) || 0
    } catch (error) {
      if (isGone(error)) return 0
      throw error
    }
  }

  /**
   * Writes a file. Only {@link exclusively}.
   *
   * @param above the revision will be higher
   * @param leaseFile of the lease that the file is to be under
   * @returns its revision
   */
  async write(path: string, text: string, above: number, leaseFile?: string): Promise<number> {
    const target = join(this.#root, path)
    const temporary = this.#temporary()
    try {
      await using file = await open(temporary, 'wx')
      await file.writeFile(text)
      // Half a microsecond more, so that what floating point makes of it is still the right one.
      await file.utimes(new Date(), (above + 1.5) / 1e6)
      await file.sync()
      if (leaseFile !== undefined) await this.#bind(leaseFile, path, markOf(await file.stat()))
      await mkdir(dirname(target), { recursive: true })
      await rename(temporary, target)
      const stats = await file.stat()
      // Replaced by hand already, its time is that of its successor.
      const revision = stats.nlink > 0 ? stampOf(stats) : above + 1
      await this.#count(revision)
      return revision
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
  }

  /** Deletes files. Only {@link exclusively}. @param above as with {@link write} */
  async remove(paths: readonly string[], above: number): Promise<void> {
    for (const path of paths) await rm(join(this.#root, path), { force: true })
    if (paths.length > 0) await this.#count(above + 1)
  }

  /** Makes a new lease's file. @returns its path */
  async createLease(ttlMs: number): Promise<string> {
    await this.#prepare()
    const folder = join(this.#private, 'leases')
    await mkdir(folder, { recursive: true })
    const file = join(folder, `${randomUUID()}.json`)
    await this.#replace(file, { ttlMs, marks: {} } satisfies LeaseRecord)
    return file
  }

  /** Deletes a lease's file and the files under it. Only {@link exclusively}. */
  async removeLease(file: string, above: number): Promise<void> {
    const { marks } = await readLease(file)
    const paths: string[] = []
    for (const [path, mark] of Object.entries(marks)) {
      const stats = await look(join(this.#root, path))
      if (stats !== undefined && markOf(stats) === mark) paths.push(path)
    }
    await this.remove(paths, Math.max(above, await this.counted()))
    await rm(file, { force: true })
  }

  /** Deletes a lease, unless its holder has come back or somebody else was faster. */
  removeExpired({ file, touchedMs }: ExpiredLease, above: number): Promise<void> {
    return this.exclusively(async () => {
      if ((await look(file))?.mtimeMs === touchedMs) await this.removeLease(file, above)
    })
  }

  /** Before the file is there, so that a file whose writer dies in between has no life without it. */
  async #bind(leaseFile: string, path: string, mark: string): Promise<void> {
    try {
      const record = await readLease(leaseFile)
      await this.#replace(leaseFile, { ...record, marks: { ...record.marks, [path]: mark } })
    } catch (cause) {
      if (!isGone(cause)) throw cause
      throw new FezzError('CONFLICT', `the lease for ${path} has ended; take another one`, {
        cause,
      })
    }
  }

  #count(revision: number): Promise<void> {
    return this.#replace(join(this.#private, 'revision'), revision)
  }

  async #replace(path: string, content: unknown): Promise<void> {
    const temporary = this.#temporary()
    await writeFile(temporary, JSON.stringify(content))
    await rename(temporary, path)
  }

  #temporary(): string {
    return join(this.#private, `${randomUUID()}.tmp`)
  }

  /** Never makes the root: where a folder was moved away, nobody is to begin a new one. */
  async #prepare(): Promise<void> {
    try {
      await mkdir(this.#private)
      await writeFile(join(this.#private, '.gitignore'), '*\n')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
}
