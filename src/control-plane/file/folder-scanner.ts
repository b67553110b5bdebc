import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../clock.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { type FileState, markOf } from './file-look.ts'
import { FolderPicture } from './folder-picture.ts'
import { type FolderWriter, PRIVATE_FOLDER } from './folder-writer.ts'
import { LeaseFolder } from './lease-folder.ts'
import { lookAtAll, walk } from './walk.ts'

/** Looks that may run into a change before writers have to wait for one. */
const OPEN_LOOKS = 3

/** Brings the picture up to what is on the disk. One call at a time. */
export class FolderScanner {
  readonly picture: FolderPicture
  readonly leases: LeaseFolder
  readonly #root: string
  readonly #writer: FolderWriter
  #folders: readonly string[] = []

  constructor(root: string, writer: FolderWriter, clock: Clock, log: Logger) {
    this.#root = root
    this.#writer = writer
    this.picture = new FolderPicture(root, log)
    this.leases = new LeaseFolder(join(root, PRIVATE_FOLDER, 'leases'), clock)
  }

  /** All folders, as of the last look everywhere. */
  get folders(): readonly string[] {
    return this.#folders
  }

  /**
   * Looks at these files, or at everything. A look while somebody writes could see the second of two
   * changes without the first, so it is only taken when the count of changes has stood still.
   *
   * @returns the files that are still being written
   * @throws what the file system throws for the folder itself
   */
  async scan(paths?: readonly string[]): Promise<string[]> {
    await this.leases.look()
    const busy = await this.#scan(paths)
    for (const lease of this.leases.expired) {
      // Where the folder cannot be written, its files are just not seen any more.
      await this.#writer.removeExpired(lease, this.#revision).catch(() => {})
    }
    return busy
  }

  /** Whether a file is under a lease that has expired, and only waits for its removal. */
  hasExpired(path: string, state: FileState): boolean {
    return this.leases.expired.some(({ record }) => record.marks[path] === markOf(state))
  }

  get #revision(): number {
    return this.picture.changes?.revision ?? 0
  }

  async #scan(paths?: readonly string[]): Promise<string[]> {
    for (let open = OPEN_LOOKS; open > 0; open--) {
      const before = await this.#writer.counted()
      const seen = await this.#look(paths)
      if ((await this.#writer.counted()) === before) return this.#take(seen, paths, before)
    }
    const seen = await this.#writer.exclusively(() => this.#look(paths))
    return this.#take(seen, paths, await this.#writer.counted())
  }

  async #look(paths: readonly string[] | undefined): Promise<Map<string, FileState>> {
    if (paths !== undefined) {
      const files = await lookAtAll(this.#root, paths)
      // A folder that was moved away has not lost its files.
      if (files.size < paths.length) await stat(this.#root)
      return files
    }
    const { files, folders } = await walk(this.#root)
    this.#folders = folders
    return files
  }

  #take(
    files: Map<string, FileState>,
    paths: readonly string[] | undefined,
    counted: number,
  ): Promise<string[]> {
    for (const { record } of this.leases.expired) {
      for (const [path, mark] of Object.entries(record.marks)) {
        const stats = files.get(path)
        if (stats !== undefined && markOf(stats) === mark) files.delete(path)
      }
    }
    const gone = [...(paths ?? this.picture.paths)].filter(path => !files.has(path))
    return this.picture.update(files, gone, counted)
  }
}
