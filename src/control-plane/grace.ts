import type { Clock, Timer } from '../clock.ts'

export interface GraceOptions {
  readonly clock: Clock
  readonly graceMs: number
  /** Called with those whose time is over, all that began together. */
  readonly onOver: (ids: readonly string[]) => void
}

/** Functions that are to go, and stay for a while: those that begin together end together. */
export class Grace {
  readonly #options: GraceOptions
  readonly #groupOf = new Map<string, ReadonlySet<string>>()
  readonly #timers = new Set<Timer>()
  #next = new Set<string>()

  constructor(options: GraceOptions) {
    this.#options = options
  }

  /** Whether it is one of them. */
  has(id: string): boolean {
    return this.#groupOf.has(id)
  }

  /** Adds one whose time begins with the next {@link start}; that of one that is there goes on. */
  add(id: string): void {
    if (this.#groupOf.has(id)) return
    this.#groupOf.set(id, this.#next)
    this.#next.add(id)
  }

  /** Takes one out: something else is wanted of it. */
  delete(id: string): void {
    this.#groupOf.delete(id)
  }

  /** Begins the time of those that were added since the last call. */
  start(): void {
    const group = this.#next
    if (group.size === 0) return
    this.#next = new Set()
    const { clock, graceMs, onOver } = this.#options
    const timer = clock.setTimer(() => {
      this.#timers.delete(timer)
      const over = [...group].filter(id => this.#groupOf.get(id) === group)
      for (const id of over) this.#groupOf.delete(id)
      if (over.length > 0) onOver(over)
    }, graceMs)
    this.#timers.add(timer)
  }

  close(): void {
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
  }
}
