import type { FunctionContainer } from './function-container.ts'

/**
 * The containers of one deployment that nobody uses. Each is held by one party at a time: by its
 * instance, by a load, or by this shelf, where it stands from the moment that it begins to fall
 * asleep. So nobody can wake it meanwhile: who takes it waits until it sleeps.
 *
 *     load:    take ......... wake, ready --> instance
 *                 |  none
 *                 +---------- create, wake, ready --> instance
 *     unload:  instance --> put(falling asleep) ... asleep
 *     forget:  take each ... remove
 */
export class Shelf {
  #sleepers: Promise<FunctionContainer | undefined>[] = []
  #isForgotten = false

  /** Whether what falls asleep from now on is to be removed instead. */
  get isForgotten(): boolean {
    return this.#isForgotten
  }

  /** @param asleep resolves when it sleeps, with `undefined` when it was lost on the way */
  put(asleep: Promise<FunctionContainer | undefined>): void {
    this.#sleepers.push(asleep)
  }

  /** The one that has slept for longest, as soon as it sleeps; `undefined` when there is none. */
  async take(): Promise<FunctionContainer | undefined> {
    for (;;) {
      const next = this.#sleepers.shift()
      if (next === undefined) return undefined
      const container = await next
      if (container !== undefined && !container.isGone) return container
    }
  }

  forget(): void {
    this.#isForgotten = true
  }
}
