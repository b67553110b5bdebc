/** Hands messages to a listener, and keeps those that come before there is one. */
export class Inbox<Received> {
  readonly #failed: (cause: unknown) => void
  #early: Received[] | undefined = []
  #listener: (message: Received) => void = message => this.#early?.push(message)

  /** @param failed gets what the listener throws, once; it is called no more then */
  constructor(failed: (cause: unknown) => void) {
    this.#failed = failed
  }

  /** Takes a batch. */
  accept(batch: Iterable<Received>): void {
    try {
      for (const message of batch) this.#listener(message)
    } catch (cause) {
      this.#listener = () => {}
      this.#failed(cause)
    }
  }

  /** Sets who gets the messages, first those that are here. */
  receive(listener: (message: Received) => void): void {
    const early = this.#early ?? []
    this.#early = undefined
    this.#listener = listener
    this.accept(early)
  }
}
