/**
 * Counts of durations in fixed buckets. Recording is a scan over a few numbers and three writes
 * into typed arrays: no labels, no hashing, no allocation.
 */
export class Histogram {
  /** Upper bounds in seconds, ascending; what lies above all of them is counted too. */
  readonly bounds: readonly number[]
  /** One count per bound, then the overflow, then the sum in milliseconds. */
  readonly #cells: Float64Array

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.#cells = new Float64Array(bounds.length + 2)
  }

  record(durationMs: number): void {
    const { bounds } = this
    const cells = this.#cells
    const seconds = durationMs / 1000
    let index = 0
    while (index < bounds.length && seconds > bounds[index]!) index++
    cells[index]! += 1
    cells[bounds.length + 1]! += durationMs
  }

  /** Observations so far. */
  get count(): number {
    return this.cumulative().at(-1)!
  }

  /** Sum of all observations. */
  get sumSeconds(): number {
    return this.#cells[this.bounds.length + 1]! / 1000
  }

  /** For each bound the observations at or below it, then all of them. */
  cumulative(): number[] {
    let total = 0
    return Array.from({ length: this.bounds.length + 1 }, (_, index) => {
      total += this.#cells[index]!
      return total
    })
  }
}
