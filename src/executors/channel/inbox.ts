/** Hands messages to a listener, and keeps those that come before there is one. */
export class Inbox<Received> {
  #early: Received[] | undefined = []
  #listener: (message: Received) => void = message => this.#early?.push(message)

  /** Takes a batch. What the listener throws is thrown, when all of the batch has been handed over. */
  accept(batch: readonly Received[]): void {
    let failure: { readonly error: unknown } | undefined
    for (const message of batch) {
      try {
        this.#listener(message)
      } catch (error) {
        failure ??= { error }
      }
    }
    if (failure !== undefined) throw failure.error
  }

  /** Sets who gets the messages, first those that are here. */
  receive(listener: (message: Received) => void): void {
    const early = this.#early ?? []
    this.#early = undefined
    this.#listener = listener
    this.accept(early)
  }
}
