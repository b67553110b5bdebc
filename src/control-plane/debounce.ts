import type { Clock, Timer } from '../clock.ts'

export interface DebounceOptions {
  readonly clock: Clock
  /** How long nothing must have happened. */
  readonly quietMs: number
  /** How long the first of many has to wait at most. */
  readonly maxMs: number
  readonly run: () => void
}

/** Does something once for many occasions that come close together. */
export class Debounce {
  readonly #options: DebounceOptions
  #timer: Timer | undefined
  #firstMs: number | undefined

  constructor(options: DebounceOptions) {
    this.#options = options
  }

  /** Notes an occasion. */
  poke(): void {
    const { clock, quietMs, maxMs } = this.#options
    const now = clock.now()
    this.#firstMs ??= now
    this.#timer?.cancel()
    // A busy event loop may be past the end of the wait already.
    const waitMs = Math.max(0, Math.min(quietMs, this.#firstMs + maxMs - now))
    this.#timer = clock.setTimer(this.#fire, waitMs)
  }

  /** Forgets the occasions so far. */
  cancel(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#firstMs = undefined
  }

  readonly #fire = (): void => {
    this.cancel()
    this.#options.run()
  }
}
