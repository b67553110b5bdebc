import type { Revision } from './store.ts'

interface Step {
  readonly revision: Revision
  readonly sinceMs: number
  isDone: boolean
}

/**
 * How much of the store's history is in force while several changes are on their way: up to the
 * last one before which none is missing.
 */
export class Progress {
  /** Oldest first; the first one is not done. */
  readonly #steps: Step[] = []
  #revision: Revision = '0'

  /** Everything up to here is in force; `'0'`: nothing yet. */
  get revision(): Revision {
    return this.#revision
  }

  /** When the oldest change that is not in force came. */
  get oldestMs(): number | undefined {
    return this.#steps[0]?.sinceMs
  }

  /** Notes the changes up to `revision`, which came at `sinceMs`. @returns to be called when they are in force */
  begin(revision: Revision, sinceMs: number): () => void {
    const step: Step = { revision, sinceMs, isDone: false }
    this.#steps.push(step)
    return () => {
      step.isDone = true
      while (this.#steps[0]?.isDone) this.#revision = (this.#steps.shift() as Step).revision
    }
  }
}
