import type { ProcessLimits } from './limits.ts'
import type { NodeRunner } from './node-runner.ts'

/**
 * Runners that were started before a function needs one. Each serves one function only. One that
 * dies unused is replaced when the next is asked for, so that what always dies is not started again
 * and again.
 */
export class WarmRunners implements AsyncDisposable {
  readonly #size: number
  readonly #start: () => NodeRunner
  readonly #runners = new Set<NodeRunner>()
  #isClosed = false

  /** @param size how many are kept */
  constructor(size: number, start: () => NodeRunner) {
    this.#size = size
    this.#start = start
  }

  /** Starts those that are missing. Whatever fails will fail again, and be told, at a load. */
  fill(): void {
    try {
      while (!this.#isClosed && this.#runners.size < this.#size) {
        const runner = this.#start()
        this.#runners.add(runner)
        void runner.ended.then(() => this.#runners.delete(runner))
      }
    } catch {}
  }

  /**
   * The one that was started first, with limits of its own; it is the caller's from now on.
   *
   * @throws when the system refuses a limit
   */
  take(limits: ProcessLimits): NodeRunner | undefined {
    for (const runner of this.#runners) {
      if (!runner.process.isRunning) continue
      runner.limit(limits)
      this.#runners.delete(runner)
      return runner
    }
    return undefined
  }

  /** Ends all that were not taken. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all(Array.from(this.#runners, runner => runner.kill()))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
