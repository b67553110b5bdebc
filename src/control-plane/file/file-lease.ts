import { utimes } from 'node:fs/promises'
import type { Clock, Timer } from '../../clock.ts'
import type { Lease } from '../store.ts'

/** A lease that this process holds: a file that it touches three times in each TTL. */
export class FileLease implements Lease {
  readonly lost: Promise<string>
  readonly file: string
  readonly ttlMs: number
  readonly #clock: Clock
  readonly #remove: (lease: FileLease) => Promise<void>
  readonly #lose: (reason: string) => void
  #ended = false
  #aliveAtMs: number
  #timer: Timer | undefined
  #revoking: Promise<void> | undefined

  /** @param remove deletes the keys and the file */
  constructor(
    file: string,
    ttlMs: number,
    clock: Clock,
    remove: (lease: FileLease) => Promise<void>,
  ) {
    const { promise, resolve } = Promise.withResolvers<string>()
    this.lost = promise
    this.#lose = resolve
    this.file = file
    this.ttlMs = ttlMs
    this.#clock = clock
    this.#remove = remove
    this.#aliveAtMs = clock.now()
    this.#renewLater()
  }

  get ended(): boolean {
    return this.#ended
  }

  revoke(): Promise<void> {
    // Of a store that is closed it expires, and what fails is left to the expiry, too.
    this.#revoking ??= this.#ended ? Promise.resolve() : this.#remove(this).catch(() => {})
    this.#end()
    return this.#revoking
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.revoke()
  }

  /** Nobody renews it from now on. */
  abandon(reason: string): void {
    if (this.#ended) return
    this.#end()
    this.#lose(reason)
  }

  #end(): void {
    this.#ended = true
    this.#timer?.cancel()
  }

  #renewLater(): void {
    this.#timer = this.#clock.setTimer(() => void this.#renew(), this.ttlMs / 3)
  }

  async #renew(): Promise<void> {
    const nowMs = this.#clock.now()
    if (nowMs - this.#aliveAtMs > this.ttlMs) {
      this.abandon(`not renewed for ${Math.round(nowMs - this.#aliveAtMs)} ms`)
      return
    }
    try {
      const now = new Date()
      await utimes(this.file, now, now)
      this.#aliveAtMs = nowMs
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      // Anything else may pass, and if it does not, the time will be over.
      if (code === 'ENOENT') this.abandon(`its file ${this.file} has been deleted`)
    }
    if (!this.#ended) this.#renewLater()
  }
}
