import { setImmediate } from 'node:timers/promises'

/** Work in small steps; each `yield` is a place where it may pause. */
export type Steps<R> = Generator<void, R, void>

/** Does all the work at once. */
export function runAtOnce<R>(steps: Steps<R>): R {
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
  }
}

/** Steps between two looks at the clock, which cost as much as a small step. */
const STEPS_PER_LOOK = 16

/** A garbage collection that falls into a slice comes on top, and both together stay below 10 ms. */
export const SLICE_MS = 2

/**
 * Does the work in slices of about `sliceMs`, with a turn of the event loop between them.
 *
 * @throws the signal's reason, at the next pause, when it aborts
 */
export async function runInSlices<R>(
  steps: Steps<R>,
  sliceMs = SLICE_MS,
  signal?: AbortSignal,
): Promise<R> {
  for (;;) {
    signal?.throwIfAborted()
    const end = performance.now() + sliceMs
    do {
      for (let count = 0; count < STEPS_PER_LOOK; count++) {
        const step = steps.next()
        if (step.done) return step.value
      }
    } while (performance.now() < end)
    await setImmediate()
  }
}
