import { it } from 'vitest'

/**
 * What not every implementation can do.
 *
 * - `death`: code that ends its process or thread, or throws where nobody catches, ends or troubles
 *   its instance alone
 * - `abort`: there is a `process.abort()`, and it ends the instance alone
 * - `pid`: an instance has a process of its own, that can be killed from outside
 * - `spinning`: an instance whose event loop does not turn is ended, at a deadline and when told to go
 * - `heap`: an instance whose heap grows past its manifest's `memory` is ended
 * - `memory`: so is one that holds its memory outside the heap
 * - `files`: an instance can write to files that the host reads
 * - `console`: what a function prints is in the host's log
 */
export type ExecutorTrait =
  | 'death'
  | 'abort'
  | 'pid'
  | 'spinning'
  | 'heap'
  | 'memory'
  | 'files'
  | 'console'

/** Why an implementation lacks a trait, as a reason for the reader of skipped tests. */
export type LackingTraits = Readonly<Partial<Record<ExecutorTrait, string>>>

/** vitest's `it` for a case that needs `trait`; where that is lacking, a skip that says why. */
export function caseFor(trait: ExecutorTrait, lacking: LackingTraits) {
  return (name: string, run: () => Promise<void>): void => {
    const reason = lacking[trait]
    if (reason === undefined) it(name, run)
    else it.skip(`${name} (${reason})`, run)
  }
}
