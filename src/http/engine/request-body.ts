import type { FezzError } from '../../errors.ts'
import { type BodySink, DISCARD_BYTES, requestOver, tooLarge } from '../body-sink.ts'
import { rememberLength } from '../web/body-length.ts'
import type { BodySource } from '../web/source.ts'
import { BodyCollector } from './body-collector.ts'

/** What is held of a body whose request is answered and whose reader takes its time. */
const HELD_BYTES = 131_072

/** What a body needs of its connection. */
export interface BodyFlow {
  /** {@link RequestBody.isWanted} may have changed. */
  flow(): void
  /** Tells the client to send the body. */
  sendContinue(): void
}

/**
 * The body of one request. The connection puts in what arrives while it {@link isWanted}; what had
 * arrived with the head is there from the start and needs neither waiting nor a stream.
 */
export class RequestBody implements BodySource {
  readonly #flow: BodyFlow
  readonly #maxBytes: number
  readonly #expectedBytes: number
  /** All of it, as long as nobody has read it. */
  #whole: Buffer | undefined
  #sink: BodySink | undefined
  /** Whether its reader waits for a chunk. */
  #isPulled = false
  /** What came before its reader asked for it, and how much that is. */
  #held: Buffer[] | undefined
  #heldBytes = 0
  #isAnswered = false
  #received = 0
  #isComplete = false
  #isDiscarded = false
  #error: FezzError | undefined
  /** Whether the client waits for `100 Continue` before it sends. */
  awaitsContinue: boolean

  /** @param expectedBytes its Content-Length; -1 when it is chunked */
  constructor(flow: BodyFlow, maxBytes: number, expectedBytes: number, awaitsContinue: boolean) {
    this.#flow = flow
    this.#maxBytes = maxBytes
    this.#expectedBytes = expectedBytes
    this.awaitsContinue = awaitsContinue
  }

  /** Bytes that have come. */
  get received(): number {
    return this.#received
  }

  /** All of it has come, or nothing more of it will. */
  get isOver(): boolean {
    return this.#isComplete || this.#error !== undefined
  }

  /** Whether more of it is to be read now. */
  get isWanted(): boolean {
    if (this.isOver) return false
    if (this.#isPulled || this.#isDiscarded) return true
    // The next request, sent in good faith, waits behind it.
    return this.#isAnswered && this.#heldBytes < HELD_BYTES
  }

  /** Whether somebody reads it and has not come to its end. */
  get hasReader(): boolean {
    return this.#sink !== undefined
  }

  /** Whether there may be more of it than is worth reading just to keep the connection. */
  get isBurden(): boolean {
    if (this.isOver || this.hasReader) return false
    return this.awaitsContinue || this.#expectedBytes < 0 || this.#expectedBytes > DISCARD_BYTES
  }

  bytes(): Promise<Uint8Array<ArrayBuffer>> {
    const whole = this.#whole
    if (whole !== undefined) {
      this.#whole = undefined
      // What comes off the network is never in shared memory.
      return Promise.resolve(whole as Buffer<ArrayBuffer>)
    }
    return new Promise((resolve, reject) => {
      const collector = new BodyCollector(this.#expectedBytes)
      const sink = {
        chunk: (chunk: Buffer) => collector.add(chunk),
        end: () => resolve(collector.finish()),
        fail: reject,
      }
      if (this.#attach(sink)) this.#want()
    })
  }

  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    let source: ReadableByteStreamController
    let isAttached = false
    const sink: BodySink = {
      chunk: chunk => {
        // Before enqueue, which may pull at once.
        this.#isPulled = false
        source.enqueue(ownChunk(chunk))
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
        isAttached ||= this.#attach(sink)
        if (isAttached) this.#want()
      },
      cancel: () => this.#detach(),
    })
    // Sent on as a response it keeps its Content-Length.
    if (this.#expectedBytes >= 0) rememberLength(stream, String(this.#expectedBytes))
    return stream
  }

  /** It has arrived whole, before anybody could ask for it. */
  preload(whole: Buffer): void {
    this.awaitsContinue = false
    this.#received = whole.length
    this.#whole = whole
    this.#isComplete = true
  }

  /** The next part. */
  receive(chunk: Buffer): void {
    this.awaitsContinue = false
    this.#received += chunk.length
    const sink = this.#sink
    if (sink === undefined) return
    if (this.#received > this.#maxBytes) {
      this.#detach()
      sink.fail(tooLarge(this.#maxBytes))
    } else if (this.#isPulled) {
      sink.chunk(chunk)
    } else {
      this.#held ??= []
      this.#held.push(chunk)
      this.#heldBytes += chunk.length
    }
  }

  /** Its last part has come. */
  complete(): void {
    this.#isComplete = true
    if (this.#heldBytes === 0) this.#letGo()?.end()
  }

  /** There will be no more of it. */
  fail(error: FezzError): void {
    if (this.isOver) return
    this.#error = error
    this.#letGo()?.fail(error)
  }

  /**
   * Its request is answered: what nobody reads is thrown away, and who comes to read it now is told,
   * since the rest would be taken for the whole.
   */
  discard(): void {
    this.#isAnswered = true
    if (this.#sink === undefined) this.#isDiscarded = true
  }

  /** Ends its reading with an error, and throws the rest away. */
  takeAway(): void {
    const sink = this.#letGo()
    this.discard()
    sink?.fail(requestOver())
  }

  #attach(sink: BodySink): boolean {
    if (this.#error !== undefined || this.#isDiscarded) {
      sink.fail(this.#error ?? requestOver())
      return false
    }
    const whole = this.#whole
    if (whole !== undefined) {
      this.#whole = undefined
      sink.chunk(whole)
      sink.end()
      return false
    }
    this.#sink = sink
    return true
  }

  #want(): void {
    if (this.#heldBytes > 0) {
      this.#giveHeld()
      return
    }
    if (this.isOver) return
    this.#isPulled = true
    if (this.awaitsContinue) {
      this.awaitsContinue = false
      this.#flow.sendContinue()
    }
    this.#flow.flow()
  }

  #giveHeld(): void {
    const chunk = this.#held!.shift()!
    const sink = this.#sink!
    this.#heldBytes -= chunk.length
    const isLast = this.#isComplete && this.#heldBytes === 0
    sink.chunk(chunk)
    if (isLast) this.#letGo()?.end()
    else this.#flow.flow()
  }

  #letGo(): BodySink | undefined {
    const sink = this.#sink
    this.#sink = undefined
    this.#isPulled = false
    this.#held = undefined
    this.#heldBytes = 0
    return sink
  }

  #detach(): void {
    this.#letGo()
    this.#flow.flow()
  }
}

/** `enqueue` takes the whole buffer away, so a view of a shared one has to be copied. */
function ownChunk(chunk: Buffer): Uint8Array<ArrayBuffer> {
  const isAll = chunk.byteLength === chunk.buffer.byteLength
  return isAll ? (chunk as Buffer<ArrayBuffer>) : new Uint8Array(chunk)
}
