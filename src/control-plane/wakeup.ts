import type { Clock } from '../clock.ts'

/** A wait that others can end. For one who waits at a time. */
export class Wakeup {
  readonly #clock: Clock
  #isDue = false
  #end: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Ends the wait, or the next one if there is none now. */
  wake(): void {
    this.#isDue = true
    this.#end?.()
  }

  /** Resolves after `delayMs` (`undefined`: never) or when woken, also by a call since the last wait. */
  async wait(delayMs?: number): Promise<void> {
    if (!this.#isDue) {
      await new Promise<void>(resolve => {
        const timer = delayMs === undefined ? undefined : this.#clock.setTimer(resolve, delayMs)
        this.#end = () => {
          timer?.cancel()
          resolve()
        }
      })
    }
    this.#isDue = false
    this.#end = undefined
  }
}
