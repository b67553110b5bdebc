import { pause } from '../../backoff.ts'
import type { Clock } from '../../clock.ts'

export interface PulseOptions {
  /** Asks the server something small about a prefix. */
  readonly probe: (prefix: string) => Promise<void>
  readonly everyMs: number
  readonly clock: Clock
  readonly closed: AbortSignal
}

/**
 * Notices that a server has gone quiet while queries are held open, where silence is what they are
 * for. One small question at a time, whatever the number of watches, and none without a watch.
 */
export class Pulse {
  readonly #options: PulseOptions
  readonly #watches = new Map<AbortController, string>()
  #idle = new AbortController()

  constructor(options: PulseOptions) {
    this.#options = options
  }

  /** @returns a controller that aborts when the server no longer answers; to be given back */
  join(prefix: string): AbortController {
    const watch = new AbortController()
    this.#watches.set(watch, prefix)
    if (this.#watches.size === 1) {
      this.#idle = new AbortController()
      void this.#beat(AbortSignal.any([this.#idle.signal, this.#options.closed]))
    }
    return watch
  }

  leave(watch: AbortController): void {
    if (this.#watches.delete(watch) && this.#watches.size === 0) this.#idle.abort()
  }

  async #beat(ended: AbortSignal): Promise<void> {
    const { probe, everyMs, clock } = this.#options
    for (;;) {
      await pause(clock, everyMs, ended)
      if (ended.aborted) return
      const [prefix] = this.#watches.values()
      try {
        await probe(prefix as string)
      } catch (error) {
        if (ended.aborted) return
        for (const watch of this.#watches.keys()) watch.abort(error)
      }
    }
  }
}
