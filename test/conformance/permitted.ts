import type { Differences } from './answer.ts'

/** A difference that stays, and why. */
export interface Permitted {
  readonly why: string
  readonly differs: Differences
}

/** By the name of the case. Both answers are pinned: when one changes, it is decided on anew. */
export const permitted: Readonly<Record<string, Permitted>> = {}
