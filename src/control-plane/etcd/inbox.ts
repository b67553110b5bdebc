/**
 * Holds what has come until it is taken, up to a limit. One taker at a time. After {@link fail},
 * what is in it can still be taken; then the error is thrown.
 */
export class Inbox<T> {
  readonly #items: { readonly item: T; readonly weight: number }[] = []
  readonly #maxWeight: number
  #weight = 0
  #end: { readonly error: unknown } | 'ended' | undefined
  #wake = Promise.withResolvers<void>()

  constructor(maxWeight: number) {
    this.#maxWeight = maxWeight
  }

  /** @returns false when there is no room: nothing was put in */
  put(item: T, weight: number): boolean {
    // One alone always fits: it cannot get smaller by being refused.
    if (this.#items.length > 0 && this.#weight + weight > this.#maxWeight) return false
    this.#items.push({ item, weight })
    this.#weight += weight
    this.#wake.resolve()
    return true
  }

  /** Nothing comes any more, for this reason. The first reason stays. */
  fail(error: unknown): void {
    this.#end ??= { error }
    this.#wake.resolve()
  }

  /** Nothing is wanted any more: {@link take} answers `undefined`, at once. */
  end(): void {
    this.#end = 'ended'
    this.#items.length = 0
    this.#wake.resolve()
  }

  /** @throws what it has failed with */
  async take(): Promise<T | undefined> {
    for (;;) {
      if (this.#end === 'ended') return undefined
      const first = this.#items.shift()
      if (first !== undefined) {
        this.#weight -= first.weight
        return first.item
      }
      if (this.#end !== undefined) throw this.#end.error
      this.#wake = Promise.withResolvers()
      await this.#wake.promise
    }
  }
}
