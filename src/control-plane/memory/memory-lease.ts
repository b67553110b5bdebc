import type { Clock, Timer } from '../../clock.ts'
import type { Lease } from '../store.ts'

/** A lease in memory. Nothing can keep its store from renewing it, so only a close starts the time. */
export class MemoryLease implements Lease {
  readonly lost: Promise<string>
  readonly #release: (lease: MemoryLease) => void
  readonly #lose: (reason: string) => void
  #ended = false
  #expiry: Timer | undefined

  /** @param release deletes the keys */
  constructor(release: (lease: MemoryLease) => void) {
    const { promise, resolve } = Promise.withResolvers<string>()
    this.lost = promise
    this.#lose = resolve
    this.#release = release
  }

  get ended(): boolean {
    return this.#ended
  }

  async revoke(): Promise<void> {
    this.#end()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.revoke()
  }

  /** Nobody renews it from now on. */
  abandon(clock: Clock, ttlMs: number): void {
    if (this.#ended) return
    this.#lose('the store was closed')
    this.#expiry ??= clock.setTimer(() => this.#end(), ttlMs)
  }

  /** Ends it from outside. */
  expire(): void {
    this.#end()
    this.#lose('the lease was ended from outside')
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#expiry?.cancel()
    this.#release(this)
  }
}
