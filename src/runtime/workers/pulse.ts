/** How often a heart is felt within the time after which it counts as stopped. */
const LOOKS = 10

/**
 * Tells whether a heart has stopped, by looking at its beats again and again. Time is counted in
 * looks: when the machine sleeps or the process is suspended nobody looks, and none has passed.
 */
export class Pulse {
  /** How often to look, in milliseconds. The heart has to beat as often. */
  readonly intervalMs: number
  readonly #read: () => number
  #last: number | undefined
  #misses = 0

  /**
   * @param read the number of beats so far
   * @param timeoutMs how long it may stay the same
   */
  constructor(read: () => number, timeoutMs: number) {
    this.#read = read
    this.intervalMs = intervalMs(timeoutMs)
  }

  /** Looks once. @returns whether the heart has stood still for the whole timeout */
  look(): boolean {
    const beats = this.#read()
    this.#misses = beats === this.#last ? this.#misses + 1 : 0
    this.#last = beats
    return this.#misses >= LOOKS
  }
}

/** How often a heart with this timeout is looked at, and has to beat, in milliseconds. */
export function intervalMs(timeoutMs: number): number {
  return Math.max(1, timeoutMs / LOOKS)
}
