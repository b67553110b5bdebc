import { ownBytes } from '../../http/web/body.ts'
import type { BodySource } from '../../http/web/source.ts'
import { CHUNK_COST_BYTES, INITIAL_CREDIT_BYTES } from './messages.ts'

/** Who sends a body, as its receiver sees it. */
export interface BodyPeer {
  /** Allows `bytes` more. */
  grant(bytes: number): void
  /** Says that nobody reads it any more. */
  cancel(): void
}

const NO_BYTES = new Uint8Array(0)

/** A body that comes in pieces over a channel. What was not read is bounded by the credit granted. */
export class ReceivedBody implements BodySource {
  readonly #peer: BodyPeer
  readonly #arrived: Uint8Array<ArrayBuffer>[] = []
  #end: { readonly error?: unknown } | undefined
  /** Read, and not granted anew yet. */
  #owedBytes: number
  #wake: (() => void) | undefined

  /** @param owedBytes credit that the first read grants, for a body that waits to be asked for */
  constructor(peer: BodyPeer, owedBytes = 0) {
    this.#peer = peer
    this.#owedBytes = owedBytes
  }

  /** Takes a piece. */
  push(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#end !== undefined) return
    this.#arrived.push(bytes)
    this.#wake?.()
  }

  /** No more will come. */
  end(): void {
    this.#settle({})
  }

  /** It has failed; who reads it gets `error` after what has arrived. */
  fail(error: unknown): void {
    this.#settle({ error })
  }

  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    const pieces: Uint8Array<ArrayBuffer>[] = []
    for (;;) {
      const piece = await this.#next()
      if (piece === undefined) break
      pieces.push(piece)
    }
    if (pieces.length <= 1) return pieces[0] ?? NO_BYTES
    return ownBytes(Buffer.concat(pieces))
  }

  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    let isCancelled = false
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      type: 'bytes',
      pull: async given => {
        const controller = given as ReadableByteStreamController
        const piece = await this.#next()
        if (isCancelled) return
        if (piece !== undefined) {
          // Enqueueing detaches the buffer, which must not be shared then.
          controller.enqueue(ownBytes(piece))
        } else {
          controller.close()
          controller.byobRequest?.respond(0)
        }
      },
      cancel: () => {
        isCancelled = true
        if (this.#end === undefined) this.#peer.cancel()
        this.#arrived.length = 0
        this.#settle({})
      },
    })
  }

  /** The next piece; undefined at the end. */
  async #next(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    this.#grant()
    while (this.#arrived.length === 0) {
      if (this.#end !== undefined) {
        if ('error' in this.#end) throw this.#end.error
        return undefined
      }
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
    const piece = this.#arrived.shift() as Uint8Array<ArrayBuffer>
    this.#owedBytes += piece.byteLength + CHUNK_COST_BYTES
    return piece
  }

  /** In large amounts, so that small pieces need no message each. */
  #grant(): void {
    if (this.#owedBytes < INITIAL_CREDIT_BYTES / 2 || this.#end !== undefined) return
    this.#peer.grant(this.#owedBytes)
    this.#owedBytes = 0
  }

  #settle(end: { readonly error?: unknown }): void {
    this.#end ??= end
    this.#wake?.()
  }
}
