import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, systemClock } from '../../clock.ts'
import { FezzError } from '../../errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { expectRevision } from '../memory/memory-data.ts'
import type {
  DeleteOptions,
  Lease,
  Listing,
  PutOptions,
  Revision,
  Store,
  StoreChange,
  StoredValue,
} from '../store.ts'
import { FileLease } from './file-lease.ts'
import { look, stampOf } from './file-look.ts'
import { FolderFollower } from './folder-follower.ts'
import { FolderScanner } from './folder-scanner.ts'
import { FolderWriter } from './folder-writer.ts'
import { pathOf } from './paths.ts'

export interface FileStoreOptions {
  /** Made when it is not there at the first call. */
  readonly folder: string
  readonly log: Logger
  readonly clock?: Clock
  /** How often everything is looked at, whatever the system has told of changes. Default 2,000. */
  readonly scanEveryMs?: number
}

/**
 * A folder as the store: for one machine, and for what comes out of git. Key `a/b` is the file
 * `a/b.json`; people and programs may change files in any way at any time. `.fezz/` in the folder
 * has the lock, the count of changes and the leases of all processes on it.
 *
 * A revision is the time of a change in microseconds, made to grow, so that all processes see the
 * same one without keeping it anywhere. Where clocks or hands have put it out of order, a process
 * numbers what it sees by itself.
 */
export class FileStore implements Store {
  readonly kind = 'file'
  readonly #folder: string
  readonly #clock: Clock
  readonly #writer: FolderWriter
  readonly #scanner: FolderScanner
  readonly #follower: FolderFollower
  readonly #leases = new Set<FileLease>()
  /** What has begun and must have ended before the store is closed. */
  readonly #pending = new Set<Promise<unknown>>()
  #opening: Promise<unknown> | undefined
  #closing: Promise<void> | undefined
  /** The last write of this object: they take turns here, not at the lock. */
  #written: Promise<unknown> = Promise.resolve()

  constructor({ folder, log, clock = systemClock, scanEveryMs = 2_000 }: FileStoreOptions) {
    this.#folder = folder
    this.#clock = clock
    this.#writer = new FolderWriter(folder, clock)
    this.#scanner = new FolderScanner(folder, this.#writer, clock, log)
    this.#follower = new FolderFollower(folder, this.#scanner, { clock, scanEveryMs, log })
  }

  list(prefix: string): Promise<Listing> {
    return this.#do('list', async () => {
      await this.#follower.look()
      const { entries, changes } = this.#scanner.picture
      return { entries: entries.under(prefix), revision: String(changes?.revision ?? 0) }
    })
  }

  put(key: string, value: string, { lease, ifRevision }: PutOptions = {}): Promise<Revision> {
    return this.#write('put', async () => {
      const path = pathOf(key)
      if (lease !== undefined && (!(lease instanceof FileLease) || lease.ended)) {
        throw new FezzError('CONFLICT', `the lease for ${key} has ended; take another one`)
      }
      const { stored, above } = await this.#current(path)
      if (ifRevision !== undefined) expectRevision(key, stored, ifRevision)
      const revision = await this.#writer.write(path, value, above, lease?.file)
      this.#follower.hint(path)
      return String(revision)
    })
  }

  delete(key: string, { ifRevision }: DeleteOptions = {}): Promise<boolean> {
    return this.#write('delete', async () => {
      const path = pathOf(key)
      const { stored, above } = await this.#current(path)
      if (ifRevision !== undefined) expectRevision(key, stored, ifRevision)
      if (stored === undefined) return false
      await this.#writer.remove([path], above)
      this.#follower.hint(path)
      return true
    })
  }

  watch(prefix: string, from: Revision, signal: AbortSignal): AsyncIterable<StoreChange> {
    return this.#follower.watch(prefix, from, signal)
  }

  lease(ttlMs: number): Promise<Lease> {
    return this.#do('lease', async () => {
      const file = await this.#writer.createLease(ttlMs)
      // Nobody would end it any more.
      if (this.#closing !== undefined) throw this.#closedError()
      const lease = new FileLease(file, ttlMs, this.#clock, async lease => {
        this.#leases.delete(lease)
        await this.#write('revoke', () => this.#writer.removeLease(lease.file, this.#revision))
        this.#follower.hint(undefined)
      })
      this.#leases.add(lease)
      return lease
    })
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    for (const lease of this.#leases) lease.abandon('the store was closed')
    await this.#follower.close(this.#closedError())
    await Promise.allSettled(this.#pending)
  }

  get #revision(): number {
    return this.#scanner.picture.changes?.revision ?? 0
  }

  /** What is on the disk now, and the revision above which the next one must be. */
  async #current(path: string): Promise<{ stored: StoredValue | undefined; above: number }> {
    const counted = Math.max(await this.#writer.counted(), this.#revision)
    const stats = await look(join(this.#folder, path))
    if (stats === undefined) return { stored: undefined, above: counted }
    const above = Math.max(counted, stampOf(stats))
    if (this.#scanner.hasExpired(path, stats)) return { stored: undefined, above }
    const known = this.#scanner.picture.find(path, stats)
    return { stored: known ?? { value: '', revision: String(stampOf(stats)) }, above }
  }

  #write<T>(what: string, task: () => Promise<T>): Promise<T> {
    const turn = this.#written.then(() => this.#do(what, () => this.#writer.exclusively(task)))
    this.#written = turn.catch(() => {})
    return turn
  }

  async #do<T>(what: string, task: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw this.#closedError()
    const done = this.#open().then(task)
    this.#pending.add(done)
    try {
      return await done
    } catch (cause) {
      if (cause instanceof FezzError) throw cause
      const { code, message } = cause as NodeJS.ErrnoException
      throw new FezzError(
        'STORE_UNAVAILABLE',
        `${what} in the store folder ${this.#folder} failed: ${code ?? message}`,
        { cause },
      )
    } finally {
      this.#pending.delete(done)
    }
  }

  /** Once: a folder that vanishes later is a store that is gone, not an empty one. */
  #open(): Promise<unknown> {
    this.#opening ??= mkdir(this.#folder, { recursive: true }).catch(error => {
      this.#opening = undefined
      throw error
    })
    return this.#opening
  }

  #closedError(): FezzError {
    return new FezzError('STORE_UNAVAILABLE', `the store folder ${this.#folder} is closed`)
  }
}
