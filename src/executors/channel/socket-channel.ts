import type { Duplex } from 'node:stream'
import { deserialize, serialize } from 'node:v8'
import type { Channel } from './channel.ts'
import { FrameReader, frameHead } from './frames.ts'
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
    const socket = this.#socket
    while (this.#pending.length > 0 && !socket.destroyed) {
      const isAll = this.#pending.length <= MAX_BATCH
      const batch = isAll ? this.#pending : this.#pending.slice(0, MAX_BATCH)
      this.#pending = isAll ? [] : this.#pending.slice(MAX_BATCH)
      if (this.#write(batch)) continue
      socket.once('drain', this.#flush)
      return
    }
    this.#isFlushing = false
  }

  /** @returns whether more may be written now */
  #write(batch: readonly Sent[]): boolean {
    let payload: Buffer
    let head: Buffer
    try {
      payload = serialize(batch)
      head = frameHead(payload.length)
    } catch (cause) {
      this.#fail(cause)
      return false
    }
    this.#socket.cork()
    this.#socket.write(head)
    const isRoomLeft = this.#socket.write(payload)
    this.#socket.uncork()
    return isRoomLeft
  }
}
