import { readdir, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { type Clock, systemClock } from '../clock.ts'
import type { Logger } from '../telemetry/logger.ts'
import { Debounce } from './debounce.ts'
import { type Snapshot, writeSnapshot } from './snapshot.ts'

export interface SnapshotWriterOptions {
  readonly file: string
  /** What to write, asked for at the time; it must not change afterwards. */
  readonly content: () => Snapshot
  readonly log: Logger
  /** Default: the machine's. */
  readonly clock?: Clock
  /** A write waits until nothing has changed for this long. Default 1,000. */
  readonly quietMs?: number
  /** No change waits longer than this. Default 5,000. */
  readonly maxWaitMs?: number
}

/** What a process that was killed while it wrote has left behind. */
const LEFTOVER_MS = 3_600_000

/**
 * Keeps a snapshot file up to date, one write at a time. Never fails its caller: a write that fails
 * is logged, once until one succeeds, and repeated with the next change and at the end.
 */
export class SnapshotWriter implements AsyncDisposable {
  readonly #options: SnapshotWriterOptions
  readonly #debounce: Debounce
  #isDirty = false
  #writing: Promise<void> | undefined
  #isTidy = false
  #closing: Promise<void> | undefined
  #savedAtMs: number | undefined
  #lastError: unknown

  constructor(options: SnapshotWriterOptions) {
    this.#options = options
    const { clock = systemClock, quietMs = 1_000, maxWaitMs = 5_000 } = options
    this.#debounce = new Debounce({ clock, quietMs, maxMs: maxWaitMs, run: () => this.flush() })
  }

  /** When the last write ended well, in milliseconds since 1970. */
  get savedAtMs(): number | undefined {
    return this.#savedAtMs
  }

  /** Why the last write failed; `undefined` when it did not. */
  get lastError(): unknown {
    return this.#lastError
  }

  /** Notes that the content has changed. */
  changed(): void {
    if (this.#closing !== undefined) return
    this.#isDirty = true
    this.#debounce.poke()
  }

  /** Writes what has changed so far, if anything has. Resolves also when that fails. */
  async flush(): Promise<void> {
    this.#debounce.cancel()
    // A write under way does not hold what has changed since it began.
    await this.#writing
    if (!this.#isDirty) return this.#writing
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined
    })
    return this.#writing
  }

  /** Writes what is left to write. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.flush()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #write(): Promise<void> {
    const { file, content, log } = this.#options
    this.#isDirty = false
    try {
      const snapshot = content()
      await writeSnapshot(file, snapshot)
      this.#savedAtMs = Date.parse(snapshot.savedAt)
      if (this.#lastError !== undefined) log.info({ file }, 'the snapshot can be written again')
      this.#lastError = undefined
    } catch (error) {
      this.#isDirty = true
      if (this.#lastError === undefined) {
        log.error(
          { err: error, file },
          'the snapshot cannot be written; without it this host cannot start while the store is down',
        )
      }
      this.#lastError = error
    }
    if (!this.#isTidy) await this.#tidy()
  }

  async #tidy(): Promise<void> {
    this.#isTidy = true
    const { file } = this.#options
    const names = await readdir(dirname(file)).catch(() => [])
    for (const name of names) {
      if (!name.startsWith(`${basename(file)}.`) || !name.endsWith('.tmp')) continue
      const path = join(dirname(file), name)
      const found = await stat(path).catch(() => undefined)
      if (found && Date.now() - found.mtimeMs > LEFTOVER_MS)
        await rm(path, { force: true }).catch(() => {})
    }
  }
}
