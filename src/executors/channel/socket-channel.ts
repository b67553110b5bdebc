import type { Duplex } from 'node:stream'
import { deserialize, serialize } from 'node:v8'
import type { Channel } from './channel.ts'
import { FrameReader, frameHead, MAX_FRAME_BYTES } from './frames.ts'
import { Inbox } from './inbox.ts'

/** So that a frame of whole bodies stays below what a reader takes. */
const MAX_BATCH = 32

/**
 * A channel over a socket or pipe: frames of a length and what `v8.serialize` makes of the messages
 * of one turn of the event loop. Nothing is written while the peer does not read; what is to be sent
 * meanwhile waits for the next frame.
 */
export class SocketChannel<Sent, Received> implements Channel<Sent, Received> {
  readonly closed: Promise<unknown>
  readonly #socket: Duplex
  readonly #inbox = new Inbox<Received>(cause => this.#fail(cause))
  #pending: Sent[] = []
  /** How many of these have been written: taking them out one batch at a time would be quadratic. */
  #written = 0
  /** A flush is due, or waits for the peer. */
  #isFlushing = false
  #cause: unknown

  /** @param socket connected, without a reader; destroyed when the channel ends */
  constructor(socket: Duplex) {
    this.#socket = socket
    const { promise, resolve } = Promise.withResolvers<unknown>()
    this.closed = promise
    const reader = new FrameReader(payload => this.#inbox.accept(deserialize(payload)))
    socket.on('data', (piece: Buffer) => {
      try {
        reader.push(piece)
      } catch (cause) {
        this.#fail(cause)
      }
    })
    socket.on('error', cause => this.#fail(cause))
    socket.once('end', () => this.close())
    socket.once('close', () => resolve(this.#cause))
  }

  send(message: Sent): void {
    if (this.#socket.destroyed) return
    this.#pending.push(message)
    if (this.#isFlushing) return
    this.#isFlushing = true
    setImmediate(this.#flush)
  }

  receive(listener: (message: Received) => void): void {
    this.#inbox.receive(listener)
  }

  close(): void {
    this.#socket.destroy()
  }

  #fail(cause: unknown): void {
    this.#cause ??= cause
    this.#socket.destroy()
  }

  readonly #flush = (): void => {
    try {
      this.#isFlushing = this.#writePending()
    } catch (cause) {
      this.#fail(cause)
    }
  }

  /**
   * @returns whether some of it waits until the peer reads
   * @throws for what cannot be sent
   */
  #writePending(): boolean {
    const socket = this.#socket
    let most = MAX_BATCH
    while (this.#pending.length > 0 && !socket.destroyed) {
      const pending = this.#pending
      const isAll = this.#written === 0 && pending.length <= most
      const batch = isAll ? pending : pending.slice(this.#written, this.#written + most)
      const payload = serialize(batch)
      // Errors and lines of a log may be long. None alone is too long, but many of them are.
      if (payload.length > MAX_FRAME_BYTES && batch.length > 1) {
        most = batch.length >> 1
        continue
      }
      const head = frameHead(payload.length)
      this.#forget(batch.length)
      socket.cork()
      socket.write(head)
      const isRoomLeft = socket.write(payload)
      socket.uncork()
      if (isRoomLeft) continue
      socket.once('drain', this.#flush)
      return true
    }
    return false
  }

  /** Lets go of the next `count` messages, at the latest when as many others are left. */
  #forget(count: number): void {
    this.#written += count
    if (this.#written * 2 < this.#pending.length) return
    this.#pending = this.#pending.slice(this.#written)
    this.#written = 0
  }
}
