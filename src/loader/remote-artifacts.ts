import { join, resolve } from 'node:path'
import { type Clock, systemClock } from '../clock.ts'
import { FezzError } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import { type ArtifactCode, BUNDLE_FILE } from './artifact.ts'
import { ArtifactFolder } from './artifact-folder.ts'
import { type ArtifactSource, atAddress, inStore } from './artifact-source.ts'
import type { ArtifactStore } from './artifact-store.ts'
import { fetchArtifact } from './fetch-artifact.ts'

export interface RemoteArtifactsOptions {
  /** Where fetched artifacts are kept; other processes may use it too, other files must not be in it. */
  readonly folder: string
  /** For artifacts that name no url. */
  readonly store?: ArtifactStore
  /** What the folder may take, but for what was used within the last minute; 0: any amount. Default 0. */
  readonly maxBytes?: number
  /** Of one bundle. Default 64 MiB. */
  readonly maxArtifactBytes?: number
  /** For one bundle as a whole. Default 60,000. */
  readonly timeoutMs?: number
  /** For each piece of it. Default 10,000. */
  readonly stallMs?: number
  readonly log: Logger
  /** Default: the machine's. */
  readonly clock?: Clock
}

/** Counted since the start. */
export interface RemoteArtifactsStatus {
  readonly fetched: number
  readonly failed: number
  /** Found damaged on the disk, and fetched again. */
  readonly damaged: number
  /** Removed to make room. */
  readonly removed: number
  /** Being fetched now. */
  readonly fetching: number
  /** Waiting to be fetched ahead. */
  readonly queued: number
  /** What is kept, as of the last look at the folder and what was fetched since. */
  readonly sizeBytes: number
}

/** What a codec or a person may have got wrong; it becomes the name of a folder. */
const SHA256 = /^[0-9a-f]{64}$/

const PREFETCHES = 4
/** Less than what counts as in use, so that what is asked for all the time always does. */
const TOUCH_EVERY_MS = 30_000
/** Well before nobody counts it as in use any more. */
const TOUCH_AWAITED_MS = 50_000
/** Other processes put something into the folder too. */
const LOOK_EVERY_MS = 60_000
/** What is remembered of each artifact is a few words and perhaps an address. */
const MAX_REMEMBERED = 65_536

interface Remembered {
  /** The newest one: signed addresses expire. */
  url?: string | undefined
  isSound?: boolean
  touchedAtMs?: number
}

/**
 * The code of functions that were built elsewhere: fetched when it is first needed or ahead of that,
 * compared with its sha256, and kept on the disk.
 */
export class RemoteArtifacts implements AsyncDisposable {
  readonly #options: RemoteArtifactsOptions
  readonly #clock: Clock
  readonly #folder: ArtifactFolder
  readonly #maxBytes: number
  readonly #remembered = new Map<string, Remembered>()
  readonly #pending = new Map<string, Promise<void>>()
  readonly #queue = new Map<string, ArtifactCode>()
  readonly #workers = new Set<Promise<void>>()
  readonly #closing = new AbortController()
  readonly #counts = { fetched: 0, failed: 0, damaged: 0, removed: 0, fetching: 0, sizeBytes: 0 }
  #started: Promise<void> | undefined
  #looking: Promise<void> = Promise.resolve()
  #lookedAtMs = Number.NEGATIVE_INFINITY

  constructor(options: RemoteArtifactsOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#folder = new ArtifactFolder(resolve(options.folder))
    this.#maxBytes = options.maxBytes || Number.POSITIVE_INFINITY
  }

  status(): RemoteArtifactsStatus {
    return { ...this.#counts, queued: this.#queue.size }
  }

  /**
   * The code that an entry of the store points to, to be put into a deployment. It need not be there
   * yet. The url given last for a sha256 is the one that is used.
   *
   * @throws FezzError `INVALID_ENTRY` when the sha256 is not one
   */
  codeOf(reference: Pick<ArtifactCode, 'sha256' | 'exportName' | 'url'>): ArtifactCode {
    const { sha256, exportName, url } = reference
    if (!SHA256.test(sha256)) {
      throw new FezzError('INVALID_ENTRY', `the sha256 "${sha256}" is not 64 lower-case hex digits`)
    }
    if (url !== undefined || this.#remembered.has(sha256)) this.#remember(sha256).url = url
    const folder = this.#folder.folderOf(sha256)
    const entry = join(folder, BUNDLE_FILE)
    return {
      kind: 'artifact',
      sha256,
      folder,
      exportName,
      entry,
      ...(url !== undefined && { url }),
    }
  }

  /**
   * Resolves when the code can be evaluated. Whoever asks for the same artifact shares one attempt; a
   * failed one is not repeated before the next call. What was built on this machine is let through.
   *
   * @throws FezzError `ARTIFACT_UNAVAILABLE`: says what was expected, what was found, and where
   */
  ensure(code: ArtifactCode): Promise<void> {
    const { sha256, folder } = code
    if (folder !== this.#folder.folderOf(sha256)) return Promise.resolve()
    this.#start()
    const pending = this.#pending.get(sha256)
    if (pending !== undefined) return pending
    const providing = this.#provide(code).finally(() => this.#pending.delete(sha256))
    this.#pending.set(sha256, providing)
    return providing
  }

  /**
   * Fetches what is missing in the background, a few at a time and only as long as there is room. A
   * failure is only noted in the log, at level debug: {@link ensure} will tell.
   */
  prefetch(codes: Iterable<ArtifactCode>): void {
    if (this.#closing.signal.aborted) return
    for (const code of codes) {
      if (code.folder === this.#folder.folderOf(code.sha256)) this.#queue.set(code.sha256, code)
    }
    while (this.#workers.size < Math.min(PREFETCHES, this.#queue.size)) {
      const worker = this.#prefetchQueued().finally(() => this.#workers.delete(worker))
      this.#workers.add(worker)
    }
  }

  /** Ends what is being fetched; what is kept stays. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort(new FezzError('ARTIFACT_UNAVAILABLE', 'the host is closing'))
    this.#queue.clear()
    await Promise.allSettled([...this.#pending.values(), ...this.#workers])
    await this.#started
    await this.#looking
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Whatever is wrong with the folder, the first fetch will say so better. */
  #start(): Promise<void> {
    this.#started ??= this.#folder
      .sweep()
      .catch(error => this.#options.log.debug({ err: error }, 'leftovers could not be removed'))
      .then(() => this.#look())
    return this.#started
  }

  async #provide(code: ArtifactCode): Promise<void> {
    const { sha256 } = code
    const remembered = this.#remember(sha256)
    // Before looking: from here on nobody removes it.
    await this.#touch(sha256, remembered)
    if (await this.#folder.has(sha256)) {
      // The disk, or a crash in the middle of a write, may have done something to it.
      remembered.isSound ||= await this.#folder.isSound(sha256)
      if (remembered.isSound) return
      this.#counts.damaged++
      this.#options.log.warn({ sha256 }, 'a kept artifact is damaged; fetching it again')
    }
    try {
      await this.#fetch(code, remembered.url ?? code.url)
      remembered.isSound = true
      remembered.touchedAtMs = this.#clock.now()
    } catch (error) {
      this.#counts.failed++
      throw this.#explain(sha256, error)
    }
  }

  async #fetch({ sha256 }: ArtifactCode, url: string | undefined): Promise<void> {
    const { signal } = this.#closing
    signal.throwIfAborted()
    const source = this.#sourceOf(sha256, url)
    const { log, maxArtifactBytes = 64 * 2 ** 20, timeoutMs = 60_000, stallMs } = this.#options
    const limits = {
      maxBytes: maxArtifactBytes,
      totalMs: timeoutMs,
      stallMs: Math.min(stallMs ?? 10_000, timeoutMs),
    }
    const options = { limits, clock: this.#clock, log, signal }
    const startedAtMs = this.#clock.now()
    this.#counts.fetching++
    try {
      const sizeBytes = await this.#folder.receive(sha256, folder =>
        fetchArtifact(source, sha256, folder, options),
      )
      const durationMs = Math.round(this.#clock.now() - startedAtMs)
      log.debug({ sha256, sizeBytes, durationMs, address: source.address }, 'artifact fetched')
      this.#counts.fetched++
      this.#counts.sizeBytes += sizeBytes
      this.#lookWhenNeeded()
    } finally {
      this.#counts.fetching--
    }
  }

  #sourceOf(sha256: string, url: string | undefined): ArtifactSource {
    if (url !== undefined) return atAddress(url)
    const { store } = this.#options
    if (store !== undefined) return inStore(store, sha256)
    const message = 'its entry names no url, and this host has no artifact store'
    throw new FezzError('ARTIFACT_UNAVAILABLE', message)
  }

  #explain(sha256: string, error: unknown): FezzError {
    const name = `artifact ${sha256}`
    if (error instanceof FezzError) {
      const message = `${name} is not available: ${error.message}`
      return new FezzError('ARTIFACT_UNAVAILABLE', message, { cause: error.cause })
    }
    const { code, message } = error as NodeJS.ErrnoException
    const reason = `${name} cannot be kept in ${this.#folder.path}: ${code ?? message}`
    return new FezzError('ARTIFACT_UNAVAILABLE', reason, { cause: error })
  }

  async #prefetchQueued(): Promise<void> {
    // How much there is already.
    await this.#start()
    for (const [sha256, code] of this.#queue) {
      this.#queue.delete(sha256)
      // To make room here would be to remove what was just fetched.
      if (this.#counts.sizeBytes >= this.#maxBytes) return this.#queue.clear()
      if (await this.#folder.has(sha256)) continue
      await this.ensure(code).catch(error => {
        this.#options.log.debug({ err: error, sha256 }, 'an artifact could not be fetched ahead')
      })
    }
  }

  async #touch(sha256: string, remembered: Remembered): Promise<void> {
    const nowMs = this.#clock.now()
    const { touchedAtMs = Number.NEGATIVE_INFINITY } = remembered
    const ageMs = nowMs - touchedAtMs
    if (ageMs < TOUCH_EVERY_MS) return
    const touching = this.#folder.touch(sha256).then(isThere => {
      if (isThere) remembered.touchedAtMs = nowMs
    })
    // While it counts as in use, a load does not wait for the disk.
    if (ageMs >= TOUCH_AWAITED_MS) await touching
  }

  #lookWhenNeeded(): void {
    const isOld = this.#clock.now() - this.#lookedAtMs >= LOOK_EVERY_MS
    if (!isOld && this.#counts.sizeBytes <= this.#maxBytes) return
    void this.#look()
  }

  /** Looks how much there is, and makes room. */
  #look(): Promise<void> {
    this.#looking = this.#looking.then(async () => {
      this.#lookedAtMs = this.#clock.now()
      const before = this.#counts.sizeBytes
      try {
        const { sizeBytes, removed } = await this.#folder.trim(this.#maxBytes)
        // What was fetched meanwhile may be counted twice, until the next look.
        this.#counts.sizeBytes += sizeBytes - before
        this.#counts.removed += removed
      } catch (error) {
        this.#options.log.warn({ err: error }, 'old artifacts could not be removed')
      }
    })
    return this.#looking
  }

  #remember(sha256: string): Remembered {
    const remembered = this.#remembered.get(sha256) ?? {}
    this.#remembered.delete(sha256)
    this.#remembered.set(sha256, remembered)
    if (this.#remembered.size > MAX_REMEMBERED) {
      this.#remembered.delete(this.#remembered.keys().next().value as string)
    }
    return remembered
  }
}
