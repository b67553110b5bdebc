import type { IncomingMessage, ServerResponse } from 'node:http'
import { FezzError } from '../../errors.ts'
import { type BodySink, DISCARD_BYTES, requestOver, tooLarge } from '../body-sink.ts'
import { rememberLength } from '../web/body-length.ts'
import type { BodySource } from '../web/source.ts'

/** Time for the rest of a body that nobody reads. */
const DISCARD_MS = 1_000

/** The body of one request over node:http. `Expect: 100-continue` is answered by its first read. */
export class IncomingBody implements BodySource {
  readonly #req: IncomingMessage
  readonly #res: ServerResponse
  readonly #maxBytes: number
  readonly #expectedBytes: number
  #awaitsContinue: boolean
  #received = 0
  #detach: (() => void) | undefined
  /** It flows already, to nobody: whoever came now would take the rest for the whole. */
  #isDiscarded = false
  /** Ends its reading with an error. */
  #takeAway: (() => void) | undefined
  /** Called once nobody reads it any more. */
  #whenLeft: (() => void) | undefined

  /**
   * @param expectedBytes its Content-Length; -1 when it is chunked
   * @param awaitsContinue whether the client waits for `100 Continue` before it sends the body
   */
  constructor(
    req: IncomingMessage,
    res: ServerResponse,
    maxBytes: number,
    expectedBytes: number,
    awaitsContinue: boolean,
  ) {
    this.#req = req
    this.#res = res
    this.#maxBytes = maxBytes
    this.#expectedBytes = expectedBytes
    this.#awaitsContinue = awaitsContinue
  }

  bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = []
      this.#read({
        chunk: chunk => chunks.push(chunk),
        end: () => resolve(join(chunks, this.#received)),
        fail: reject,
      })
    })
  }

  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    let source: ReadableByteStreamController
    let started = false
    const sink: BodySink = {
      chunk: chunk => {
        // Before enqueue, which may pull, and so resume, at once.
        this.#req.pause()
        // A copy: enqueue detaches the buffer, and this one is shared with the bytes around it.
        source.enqueue(new Uint8Array(chunk))
      },
      end: () => {
        source.close()
        source.byobRequest?.respond(0)
      },
      fail: error => source.error(error),
    }
    const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
      type: 'bytes',
      start: controller => {
        source = controller as ReadableByteStreamController
      },
      pull: () => {
        if (started) {
          this.#req.resume()
          return
        }
        started = true
        this.#read(sink)
      },
      cancel: () => this.#stop(),
    })
    // Sent on as a response it keeps its Content-Length.
    if (this.#expectedBytes >= 0) rememberLength(stream, String(this.#expectedBytes))
    return stream
  }

  /** Whether there may be more of it than is worth reading just to keep the connection. */
  get isBurden(): boolean {
    if (this.#isOver || this.#detach !== undefined) return false
    return this.#expectedBytes < 0 || this.#expectedBytes > DISCARD_BYTES
  }

  /** All of it has arrived, or nothing of it will: the client still waits for a 100. */
  get #isOver(): boolean {
    return this.#req.complete || this.#req.destroyed || this.#awaitsContinue
  }

  /**
   * Gets the rest out of the way of the next request, now that the response is written. A part
   * that somebody still reads is left to them, as long as they go on.
   *
   * @param isLast whether the connection ends with this exchange: then the rest is waited for,
   *   since closing a socket with unread input resets it, and the response may be lost
   * @param done called once: with `false` when there was too much of it, or it came too slowly
   */
  discard(isLast: boolean, done: (isClean: boolean) => void): void {
    if (this.#detach !== undefined) {
      this.#watchReader()
      done(true)
      return
    }
    this.#isDiscarded = true
    if (this.#isOver || !(isLast || this.isBurden)) {
      this.#req.resume()
      done(true)
    } else {
      this.#drain(done)
    }
  }

  /**
   * When its reader leaves or stops half-way, gets the rest out of the way as well: else the next
   * request, which was sent in good faith, would wait behind it for ever.
   */
  #watchReader(): void {
    const req = this.#req
    let seen = this.#received
    const timer = setInterval(() => {
      const stalled = req.isPaused() && seen === this.#received
      seen = this.#received
      // What has all arrived is in nobody's way.
      if (this.#isOver) clearInterval(timer)
      else if (stalled) this.#takeAway?.()
    }, DISCARD_MS)
    timer.unref()
    this.#whenLeft = () => {
      clearInterval(timer)
      if (this.#isOver) return
      this.#drain(isClean => {
        if (!isClean) req.socket.destroySoon()
      })
    }
  }

  #drain(done: (isClean: boolean) => void): void {
    const req = this.#req
    let discarded = 0
    const finish = (isClean: boolean): void => {
      clearTimeout(timer)
      req.off('data', count).off('end', onEnd).off('close', onClose)
      done(isClean)
    }
    const count = (chunk: Buffer): void => {
      discarded += chunk.length
      if (discarded > DISCARD_BYTES) finish(false)
    }
    const onEnd = (): void => finish(true)
    const onClose = (): void => finish(false)
    const timer = setTimeout(finish, DISCARD_MS, false)
    req.on('data', count).on('end', onEnd).on('close', onClose).resume()
  }

  #read(sink: BodySink): void {
    const req = this.#req
    if (req.destroyed || req.readableEnded || this.#isDiscarded) {
      sink.fail(requestOver())
      return
    }
    if (this.#awaitsContinue) {
      this.#awaitsContinue = false
      if (!this.#res.headersSent) this.#res.writeContinue()
    }
    const onData = (chunk: Buffer): void => {
      this.#received += chunk.length
      if (this.#received <= this.#maxBytes) {
        sink.chunk(chunk)
        return
      }
      this.#stop()
      sink.fail(tooLarge(this.#maxBytes))
    }
    const onEnd = (): void => {
      this.#stop()
      sink.end()
    }
    const onClose = (): void => {
      this.#stop()
      sink.fail(new FezzError('CLIENT_CLOSED', 'The client left before its request was complete'))
    }
    // node closes no request that is answered already when its connection ends.
    const onSocketClose = (): void => {
      if (!req.complete) onClose()
    }
    const { socket } = req
    this.#takeAway = () => {
      this.#stop()
      sink.fail(requestOver())
    }
    this.#detach = () => {
      req.off('data', onData).off('end', onEnd).off('close', onClose).pause()
      socket.off('close', onSocketClose)
    }
    socket.on('close', onSocketClose)
    req.on('data', onData).on('end', onEnd).on('close', onClose).resume()
  }

  #stop(): void {
    this.#detach?.()
    this.#detach = undefined
    this.#takeAway = undefined
    this.#whenLeft?.()
    this.#whenLeft = undefined
  }
}

/** Copies into memory of its own: chunks are views of a buffer shared with the rest of the socket. */
function join(chunks: readonly Buffer[], length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length)
  let offset = 0
  for (const chunk of chunks) {
    bytes.set(chunk, offset)
    offset += chunk.length
  }
  return bytes
}
