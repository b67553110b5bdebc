import type { Socket } from 'node:net'
import { FezzError } from '../../errors.ts'
import type { EngineContext } from './engine-context.ts'
import { Deadline } from './wheel.ts'

/** Text beyond this goes to the socket before more is gathered. */
const GATHERED_LENGTH = 65_536
/** Bodies up to this size go out in one piece with their head. */
export const JOINED_BYTES = 65_536
/**
 * Larger ones in pieces of this size: by them a client is seen to take something, and others served.
 * Each is a turn of the loop; a body of 1 MiB takes a third less time than in pieces of 64 KiB.
 */
export const SLICE_BYTES = 524_288

/** Whose output it is. */
export interface OutputUser {
  /** The client has taken enough for more to be made for it. */
  onDrain(): void
  /** The client has taken nothing for too long. */
  onStall(error: FezzError): void
}

/**
 * What a connection sends. Answers of one turn are gathered, so that a small one is one write and
 * many small ones are one too; what is large waits for the client to take what was before.
 */
export class Output {
  readonly #socket: Socket
  readonly #context: EngineContext
  readonly #user: OutputUser
  #gathered = ''
  #isCorked = false
  #stalled: Deadline | undefined
  #takenBytes = 0
  #hears = false
  #ready: (() => void) | undefined

  constructor(socket: Socket, context: EngineContext, user: OutputUser) {
    this.#socket = socket
    this.#context = context
    this.#user = user
  }

  /** Whether the client has to take something before more is made for it. */
  get isClogged(): boolean {
    return this.#socket.writableNeedDrain
  }

  /** Gathers `text`, one character per byte. */
  text(text: string): void {
    this.#gathered = this.#gathered === '' ? text : this.#gathered + text
    if (this.#gathered.length > GATHERED_LENGTH) this.flush()
  }

  /**
   * Sends `head` and a `body` of up to {@link JOINED_BYTES} in one piece.
   *
   * @param body text has one character per byte
   */
  message(head: string, body: string | Uint8Array): void {
    if (typeof body === 'string') {
      this.text(head + body)
      return
    }
    const joined = Buffer.allocUnsafe(head.length + body.byteLength)
    joined.write(head, 0, 'latin1')
    joined.set(body, head.length)
    this.bytes(joined)
  }

  /**
   * Sends `head`, then a larger `body`, which must not change any more, as the client takes it.
   *
   * @param done called when the last piece is with the socket, perhaps at once
   */
  largeMessage(head: string, body: string | Uint8Array, done: () => void): void {
    this.text(head)
    this.#cork()
    this.#slice(body, 0, done)
  }

  /** Sends `bytes` behind what was gathered. */
  bytes(bytes: Uint8Array): void {
    this.flush()
    this.#socket.write(bytes)
    this.#watch()
  }

  /** Sends a part of a body of unknown length (RFC 9112, section 7.1). */
  chunk(bytes: Uint8Array): void {
    this.#cork()
    this.text(`${bytes.byteLength.toString(16)}\r\n`)
    this.bytes(bytes)
    this.text('\r\n')
  }

  /** Whether to send no more now: it {@link isClogged}, or it is the turn of others. */
  get mustWait(): boolean {
    return this.isClogged || this.#context.turns.isOver
  }

  /** Calls `ready` when more may be sent, for whom {@link mustWait} has stopped. For one at a time. */
  whenFree(ready: () => void): void {
    if (this.isClogged) this.#ready = ready
    else this.#context.turns.next(ready)
  }

  /** Hands what was gathered to the socket. */
  flush(): void {
    if (this.#gathered === '') return
    const text = this.#gathered
    this.#gathered = ''
    this.#socket.write(text, 'latin1')
    this.#watch()
  }

  /** Lets go of its deadline. */
  close(): void {
    if (this.#stalled !== undefined) this.#context.wheel.remove(this.#stalled)
    this.#ready = undefined
  }

  #slice(body: Uint8Array | string, from: number, done: () => void): void {
    // It has waited, and its client may have left meanwhile.
    if (this.#socket.destroyed) return
    let at = from
    for (;;) {
      const end = at + SLICE_BYTES
      this.flush()
      if (typeof body === 'string') this.#socket.write(body.slice(at, end), 'latin1')
      else this.#socket.write(body.subarray(at, end))
      this.#watch()
      at = end
      if (at >= body.length) break
      if (this.mustWait) {
        this.whenFree(() => this.#slice(body, at, done))
        return
      }
    }
    done()
  }

  /** What is written until the next tick goes to the kernel in one call. */
  #cork(): void {
    if (this.#isCorked) return
    this.#isCorked = true
    this.#socket.cork()
    process.nextTick(() => {
      this.#isCorked = false
      this.flush()
      this.#socket.uncork()
    })
  }

  #watch(): void {
    if (!this.#hears && this.isClogged) {
      this.#hears = true
      this.#socket.on('drain', () => {
        const ready = this.#ready
        this.#ready = undefined
        ready?.()
        this.#user.onDrain()
      })
    }
    const stallMs = this.#context.options.responseStallTimeoutMs
    if (stallMs === 0 || this.#socket.writableLength === 0) return
    this.#stalled ??= new Deadline(() => this.#check())
    if (this.#stalled.isSet) return
    this.#takenBytes = this.#taken
    this.#context.wheel.set(this.#stalled, stallMs)
  }

  #check(): void {
    if (this.#socket.writableLength === 0 || this.#socket.destroyed) return
    if (this.#taken > this.#takenBytes) this.#watch()
    else
      this.#user.onStall(
        new FezzError('RESPONSE_STALLED', 'The client takes nothing of its response'),
      )
  }

  /** Bytes that the kernel has. */
  get #taken(): number {
    return this.#socket.bytesWritten - this.#socket.writableLength
  }
}
