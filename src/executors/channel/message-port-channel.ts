import type { MessagePort } from 'node:worker_threads'
import type { Channel } from './channel.ts'
import { Inbox } from './inbox.ts'

/**
 * A channel between threads. Posting a message costs more than most messages hold, so all of one
 * turn of the event loop go as one.
 */
export class MessagePortChannel<Sent, Received> implements Channel<Sent, Received> {
  readonly #port: MessagePort
  readonly #closed = Promise.withResolvers<unknown>()
  readonly #inbox = new Inbox<Received>(cause => this.#fail(cause))
  #batch: Sent[] = []
  #transfers: ArrayBuffer[] = []
  #isClosed = false

  /** @param port kept open, and the thread alive, until the channel is closed */
  constructor(port: MessagePort) {
    this.#port = port
    port.on('message', (batch: Received[]) => this.#inbox.accept(batch))
    port.once('messageerror', cause => this.#fail(cause))
    port.once('close', () => {
      this.#isClosed = true
      this.#closed.resolve(undefined)
    })
  }

  get closed(): Promise<unknown> {
    return this.#closed.promise
  }

  send(message: Sent, transfer?: ArrayBuffer): void {
    if (this.#isClosed) return
    if (this.#batch.push(message) === 1) setImmediate(this.#flush)
    if (transfer !== undefined) this.#transfers.push(transfer)
  }

  receive(listener: (message: Received) => void): void {
    this.#inbox.receive(listener)
  }

  close(): void {
    if (this.#isClosed) return
    this.#flush()
    this.#end()
  }

  #fail(cause: unknown): void {
    this.#closed.resolve(cause)
    this.#end()
  }

  #end(): void {
    this.#isClosed = true
    this.#port.close()
  }

  readonly #flush = (): void => {
    const batch = this.#batch
    if (this.#isClosed || batch.length === 0) return
    const transfers = this.#transfers
    this.#batch = []
    if (transfers.length > 0) this.#transfers = []
    try {
      if (transfers.length === 0) this.#port.postMessage(batch)
      else this.#port.postMessage(batch, transfers)
    } catch (cause) {
      this.#fail(cause)
    }
  }
}
