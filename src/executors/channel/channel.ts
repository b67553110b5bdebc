/**
 * A two-way stream of messages between the host and a runner, the place where an instance runs:
 * over a MessagePort or over a socket. Messages arrive in order, each whole, none twice. What breaks
 * the protocol ends the channel: a message that cannot be sent, or one that the listener throws at.
 */
export interface Channel<Sent, Received> {
  /**
   * Sends a message with all others of this turn of the event loop; after {@link close} or the
   * peer's end it does nothing. What it holds must not be written to afterwards: it is copied late,
   * or moved.
   *
   * @param transfer a buffer that is moved, where the channel can, instead of copied
   */
  send(message: Sent, transfer?: ArrayBuffer): void
  /** Sets who gets the messages; what came before is kept until then. */
  receive(listener: (message: Received) => void): void
  /** Settles when no message will come any more, with the cause if there is one. Never rejects. */
  readonly closed: Promise<unknown>
  /** Ends it on both sides; what was not delivered yet may be lost. Idempotent. */
  close(): void
}
