import { MemoryStore } from '../../src/control-plane/memory/memory-store.ts'
import type { Listing, Store, StoreChange, StoreEvent } from '../../src/control-plane/store.ts'
import { FezzError } from '../../src/errors.ts'

type End = 'WATCH_LOST' | 'STORE_UNAVAILABLE' | 'silently'

/**
 * A real memory store behind a line that can be cut, for the store's user under test; `store` is the
 * other end, where somebody else makes changes.
 */
export class SwitchedStore implements Store {
  readonly kind = 'memory'
  store = new MemoryStore()
  /** Nothing answers. */
  isDown = false
  /** A listing neither answers nor fails. */
  hangs = false
  /** Watches live on and tell nothing, and what they should have told is lost. */
  isMuted = false
  /** Watches tell each change twice, and then what came before it once more. */
  echoes = false
  /** How every watch ends at once. */
  watchesEnd: End | undefined
  /** What watches tell besides, although it is long past. */
  stale: readonly StoreEvent[] = []
  listings = 0
  watches = 0
  readonly #interrupts = new Set<(end: End) => void>()

  async list(prefix: string): Promise<Listing> {
    this.listings++
    if (this.hangs) await new Promise(() => {})
    this.#throwIfDown()
    return this.store.list(prefix)
  }

  async *watch(prefix: string, from: string, signal: AbortSignal): AsyncGenerator<StoreChange> {
    this.watches++
    this.#throwIfDown()
    if (this.watchesEnd !== undefined) return endWith(this.watchesEnd)
    const interrupted = new AbortController()
    const interrupt = (end: End) => interrupted.abort(end)
    this.#interrupts.add(interrupt)
    const told: StoreChange[] = []
    try {
      const either = AbortSignal.any([signal, interrupted.signal])
      for await (const change of this.store.watch(prefix, from, either)) {
        if (this.isMuted) continue
        yield { ...change, events: [...this.stale, ...change.events] }
        if (this.echoes) yield* [change, ...told]
        told.push(change)
      }
    } finally {
      this.#interrupts.delete(interrupt)
    }
    if (!signal.aborted) endWith(interrupted.signal.reason)
  }

  put: Store['put'] = (...args) => this.store.put(...args)
  delete: Store['delete'] = (...args) => this.store.delete(...args)
  lease: Store['lease'] = (...args) => this.store.lease(...args)

  /** Ends the watches that there are. */
  interrupt(end: End): void {
    for (const interrupt of this.#interrupts) interrupt(end)
  }

  cut(): void {
    this.isDown = true
    this.interrupt('STORE_UNAVAILABLE')
  }

  mend(): void {
    this.isDown = false
  }

  /** How many watches are open. */
  get openWatches(): number {
    return this.#interrupts.size
  }

  close(): Promise<void> {
    return this.store.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #throwIfDown(): void {
    if (this.isDown) endWith('STORE_UNAVAILABLE')
  }
}

function endWith(end: End): void {
  if (end !== 'silently') throw new FezzError(end, 'as the test wants it')
}
