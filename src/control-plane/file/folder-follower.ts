import type { Clock, Timer } from '../../clock.ts'
import { FezzError } from '../../errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { Revision, StoreChange } from '../store.ts'
import { FolderHints } from './folder-hints.ts'
import type { FolderScanner } from './folder-scanner.ts'

export interface FolderFollowerOptions {
  readonly clock: Clock
  readonly scanEveryMs: number
  readonly log: Logger
}

/** Hints come in bursts: one save of an editor is several. */
const GATHER_MS = 3
/** A look everywhere may take this share of the time, at most. */
const SCAN_SHARE = 0.05

/** Keeps the picture of a folder current from the first watch on. */
export class FolderFollower {
  readonly #folder: string
  readonly #scanner: FolderScanner
  readonly #options: FolderFollowerOptions
  readonly #hints: FolderHints
  readonly #hinted = new Set<string>()
  #everywhere = false
  #following = false
  #timer: Timer | undefined
  #nextFullMs = 0
  /** The last look; looks take turns. */
  #looking: Promise<void> = Promise.resolve()
  /** A look everywhere that has not begun yet. */
  #queued: Promise<void> | undefined
  #closed: FezzError | undefined
  /** Ends the watches there are now. */
  #broken = new AbortController()

  constructor(folder: string, scanner: FolderScanner, options: FolderFollowerOptions) {
    this.#folder = folder
    this.#scanner = scanner
    this.#options = options
    this.#hints = new FolderHints(folder, path => this.hint(path))
  }

  /** Looks everywhere, not earlier than now. @throws what the file system throws */
  look(): Promise<void> {
    this.#queued ??= this.#inTurn(() => {
      this.#queued = undefined
      return this.#scanAll()
    })
    return this.#queued
  }

  /** Something may have changed: in a file, or anywhere. */
  hint(path: string | undefined): void {
    if (!this.#following || this.#closed !== undefined) return
    if (path === undefined) this.#everywhere = true
    else this.#hinted.add(path)
    this.#schedule()
  }

  /** As `Store.watch`. */
  async *watch(
    prefix: string,
    from: Revision,
    signal: AbortSignal,
  ): AsyncGenerator<StoreChange, void> {
    const broken = this.#broken.signal
    const log = this.#scanner.picture.changes
    if (this.#closed === undefined && !signal.aborted) {
      if (log === undefined) {
        throw new FezzError('WATCH_LOST', `no listing of ${this.#folder} was made; list first`)
      }
      this.#following = true
      this.#everywhere = true
      // Not by a timer: nothing else may keep the process until the hints do.
      void this.#tick()
    }
    if (log !== undefined) yield* log.watch(prefix, from, signal, broken)
    else if (!signal.aborted) broken.throwIfAborted()
  }

  /** @param error what the watches throw */
  async close(error: FezzError): Promise<void> {
    this.#closed = error
    this.#broken.abort(error)
    this.#timer?.cancel()
    this.#hints.close()
    await this.#looking
  }

  #inTurn(look: () => Promise<void>): Promise<void> {
    const turn = this.#looking.then(look)
    this.#looking = turn.catch(() => {})
    return turn
  }

  async #scanAll(): Promise<void> {
    const { clock, scanEveryMs } = this.#options
    const startedMs = clock.now()
    this.#everywhere = false
    this.#hinted.clear()
    try {
      this.#again(await this.#scanner.scan())
      if (!this.#following || this.#closed !== undefined) return
      // What has changed in a new folder before it was watched has given no hint.
      if (this.#hints.follow(this.#scanner.folders)) this.#everywhere = true
    } finally {
      const tookMs = clock.now() - startedMs
      this.#nextFullMs = clock.now() + Math.max(scanEveryMs, tookMs / SCAN_SHARE)
    }
  }

  async #scanHinted(): Promise<void> {
    const paths = [...this.#hinted]
    this.#hinted.clear()
    this.#again(await this.#scanner.scan(paths))
  }

  #again(busy: readonly string[]): void {
    for (const path of busy) this.#hinted.add(path)
  }

  #schedule(): void {
    if (!this.#following || this.#closed !== undefined) return
    const { clock } = this.#options
    const waiting = this.#everywhere || this.#hinted.size > 0
    const fullInMs = Math.max(0, this.#nextFullMs - clock.now())
    const nextMs = Math.min(fullInMs, this.#scanner.leases.nextExpiryInMs)
    this.#timer?.cancel()
    this.#timer = clock.setTimer(() => void this.#tick(), waiting ? GATHER_MS : Math.max(nextMs, 5))
  }

  async #tick(): Promise<void> {
    const { clock } = this.#options
    const full = this.#everywhere || this.#hinted.size === 0 || clock.now() >= this.#nextFullMs
    try {
      await (full ? this.look() : this.#inTurn(() => this.#scanHinted()))
    } catch (cause) {
      this.#fail(cause)
    }
    this.#schedule()
  }

  #fail(cause: unknown): void {
    if (this.#closed !== undefined) return
    const { code, message } = cause as NodeJS.ErrnoException
    const error = new FezzError(
      'STORE_UNAVAILABLE',
      `the store folder ${this.#folder} cannot be read: ${code ?? message}`,
      { cause },
    )
    this.#options.log.error({ folder: this.#folder, err: cause }, 'the store cannot be read')
    // Nobody watches any more: looking goes on when somebody does.
    this.#following = false
    this.#broken.abort(error)
    this.#broken = new AbortController()
  }
}
