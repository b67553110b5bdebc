import { randomUUID } from 'node:crypto'
import { closeSync, openSync, readFileSync, rmSync, statSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '../../clock.ts'
import { FezzError } from '../../errors.ts'

/** A lock is held for milliseconds; one that is older was left by somebody who cannot be asked. */
const STALE_MS = 30_000
const WAIT_MS = 5_000

/** Tells this process from one before it with the same number, as in a container. */
const PROCESS = randomUUID()

interface Holder {
  readonly pid: number
  readonly host: string
  readonly process: string
}

/** A lock file that one writer at a time creates, among all processes on a folder. */
export class FolderLock {
  readonly #path: string
  readonly #clock: Clock

  constructor(path: string, clock: Clock) {
    this.#path = path
    this.#clock = clock
  }

  /**
   * Waits for its turn.
   *
   * @throws FezzError `STORE_UNAVAILABLE` after 5 seconds; what the file system throws
   */
  async acquire(): Promise<AsyncDisposable> {
    const startedMs = this.#clock.now()
    for (let attempt = 1; !(await this.#create()); attempt++) {
      if (this.#breakIfStale()) continue
      if (this.#clock.now() - startedMs >= WAIT_MS) {
        throw new FezzError(
          'STORE_UNAVAILABLE',
          `${this.#path} has been held by another process for ${WAIT_MS} ms; delete it if no Fezz uses the folder`,
        )
      }
      // Not the clock's timer, which would let a process end in the middle of its call.
      await delay(Math.random() * Math.min(attempt, 10))
    }
    return { [Symbol.asyncDispose]: () => rm(this.#path, { force: true }) }
  }

  async #create(): Promise<boolean> {
    try {
      await using file = await open(this.#path, 'wx')
      const holder: Holder = { pid: process.pid, host: hostname(), process: PROCESS }
      await file.writeFile(JSON.stringify(holder))
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
      throw error
    }
  }

  /** Synchronous, so that of those who find a dead holder nobody deletes the lock of the next one. */
  #breakIfStale(): boolean {
    if (!this.#isStale()) return false
    const guard = `${this.#path}.stale`
    try {
      closeSync(openSync(guard, 'wx'))
    } catch {
      // Left by a process that was killed in between these few lines.
      if (ageMs(guard) > STALE_MS) rmSync(guard, { force: true })
      return false
    }
    try {
      if (this.#isStale()) rmSync(this.#path, { force: true })
    } finally {
      rmSync(guard, { force: true })
    }
    return true
  }

  #isStale(): boolean {
    if (ageMs(this.#path) > STALE_MS) return true
    try {
      const holder = JSON.parse(readFileSync(this.#path, 'utf8')) as Holder
      if (holder.host !== hostname()) return false
      if (holder.pid === process.pid) return holder.process !== PROCESS
      process.kill(holder.pid, 0)
      return false
    } catch (error) {
      // Not a number of a process: it is just being written.
      return (error as NodeJS.ErrnoException).code === 'ESRCH'
    }
  }
}

function ageMs(path: string): number {
  const stats = statSync(path, { throwIfNoEntry: false })
  return stats === undefined ? 0 : Date.now() - stats.mtimeMs
}
