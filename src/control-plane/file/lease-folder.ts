import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../clock.ts'
import { type FileState, isGone, look } from './file-look.ts'

/** Content of a lease's file. Its time of change is the last sign of life. */
export interface LeaseRecord {
  readonly ttlMs: number
  /** The files under the lease, and what marks their content: another content is not under it. */
  readonly marks: Readonly<Record<string, string>>
}

/** A lease that somebody on the folder holds, or has held. */
interface SeenLease {
  readonly record: LeaseRecord
  readonly inode: number
  readonly touchedMs: number
  /** On the clock of this process: when the sign of life came, as far as it can tell. */
  readonly aliveAtMs: number
}

/** A lease whose holder has been silent for too long. */
export interface ExpiredLease {
  readonly file: string
  readonly touchedMs: number
  readonly record: LeaseRecord
}

/** The leases of a folder, as one process sees them. */
export class LeaseFolder {
  readonly path: string
  readonly #clock: Clock
  #seen = new Map<string, SeenLease>()

  constructor(path: string, clock: Clock) {
    this.path = path
    this.#clock = clock
  }

  /** Reads what has changed. */
  async look(): Promise<void> {
    const seen = new Map<string, SeenLease>()
    for (const name of await this.#names()) {
      const file = join(this.path, name)
      const stats = await look(file)
      if (stats === undefined) continue
      const before = this.#seen.get(file)
      const record =
        before?.inode === stats.ino ? before.record : await readLease(file).catch(() => undefined)
      if (record !== undefined) seen.set(file, this.#see(before, record, stats))
    }
    this.#seen = seen
  }

  /** Those that have expired by now. */
  get expired(): ExpiredLease[] {
    const nowMs = this.#clock.now()
    return [...this.#seen].flatMap(([file, { record, touchedMs, aliveAtMs }]) =>
      nowMs - aliveAtMs >= record.ttlMs ? [{ file, touchedMs, record }] : [],
    )
  }

  /** Milliseconds until the next one expires if nobody renews it. */
  get nextExpiryInMs(): number {
    const nowMs = this.#clock.now()
    let nextMs = Number.POSITIVE_INFINITY
    for (const { record, aliveAtMs } of this.#seen.values()) {
      nextMs = Math.min(nextMs, Math.max(0, aliveAtMs + record.ttlMs - nowMs))
    }
    return nextMs
  }

  /**
   * The wall clock may jump, so it only counts at first sight: a holder that died long ago gets no
   * second life from a reader that starts.
   */
  #see(before: SeenLease | undefined, record: LeaseRecord, stats: FileState): SeenLease {
    const touchedMs = stats.mtimeMs
    const nowMs = this.#clock.now()
    const ageMs = Math.min(Math.max(Date.now() - touchedMs, 0), record.ttlMs)
    const aliveAtMs =
      before === undefined
        ? nowMs - ageMs
        : before.touchedMs === touchedMs
          ? before.aliveAtMs
          : nowMs
    return { record, inode: stats.ino, touchedMs, aliveAtMs }
  }

  async #names(): Promise<string[]> {
    try {
      return (await readdir(this.path)).filter(name => name.endsWith('.json'))
    } catch (error) {
      if (isGone(error)) return []
      throw error
    }
  }
}

/** @throws what the file system throws, or a SyntaxError */
export async function readLease(file: string): Promise<LeaseRecord> {
  return JSON.parse(await readFile(file, 'utf8')) as LeaseRecord
}
