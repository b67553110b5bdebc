import type { Answers } from '../answers.ts'
import { adoptResponse, takeOutgoing } from '../web/outgoing.ts'
import type { Outgoing } from '../web/response-state.ts'
import type { Exchange } from './exchange.ts'
import { JOINED_BYTES, type Output } from './output.ts'
import { declaredLength, framingOf, responseHead } from './response-head.ts'
import { ResponseStream } from './response-stream.ts'

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'

/** What an {@link AnswerChain} asks of its connection, and tells it. */
export interface ChainOwner {
  /** Whether the connection is to end with the answer to `exchange`. */
  isLast(exchange: Exchange): boolean
  /** The answer to `exchange` is with the socket. */
  onAnswered(exchange: Exchange): void
  /** All are answered. */
  onAllAnswered(): void
  /** It is the turn of `exchange` to take over the connection. */
  onUpgrade(exchange: Exchange): void
  /** An answer has ended that took its time: there may be room for more. */
  onProgress(): void
  /** The stream of an answer has failed; what was sent of it is no whole. */
  onBroken(exchange: Exchange, failure: unknown): void
}

/**
 * The requests of a connection that have no complete answer yet, oldest first. Each gets its answer
 * whenever that is there; they are sent in the order of the requests (RFC 9112, section 9.3.2).
 */
export class AnswerChain {
  readonly #output: Output
  readonly #answers: Answers
  readonly #owner: ChainOwner
  #first: Exchange | undefined
  #last: Exchange | undefined
  #size = 0
  #stream: ResponseStream | undefined
  #isClosed = false

  constructor(output: Output, answers: Answers, owner: ChainOwner) {
    this.#output = output
    this.#answers = answers
    this.#owner = owner
  }

  /** How many requests have no complete answer. */
  get size(): number {
    return this.#size
  }

  /** Whether a stream is being sent. */
  get isStreaming(): boolean {
    return this.#stream !== undefined
  }

  append(exchange: Exchange): void {
    this.#size++
    if (this.#last === undefined) this.#first = exchange
    else this.#last.next = exchange
    this.#last = exchange
  }

  /** The client waits to be told to send the body: it is, once the answers before are sent. */
  sendContinue(exchange: Exchange): void {
    // Between an answer made of this very body and its head there is still time to say so.
    if (exchange.isOver || (exchange.isSending && this.#stream?.isBegun !== false)) return
    if (exchange === this.#first) this.#output.text(CONTINUE)
    else exchange.owesContinue = true
  }

  /** Gives `exchange` its answer; a second one is thrown away. */
  answer(exchange: Exchange, response: Response): void {
    try {
      const outgoing = takeOutgoing(adoptResponse(response))
      if (exchange.isAnswered || this.#isClosed) {
        cancel(outgoing.body)
        return
      }
      exchange.isAnswered = true
      exchange.outgoing = outgoing
    } catch (error) {
      this.fail(exchange, error)
      return
    }
    if (exchange === this.#first) this.proceed()
  }

  /** The handler threw, which it must not, or returned what cannot be sent. */
  fail(exchange: Exchange, cause: unknown): void {
    if (exchange.isAnswered) this.#answers.logFailure(exchange, cause)
    else this.answer(exchange, this.#answers.failed(exchange, cause))
  }

  /** Sends the answers whose turn it is. */
  proceed(): void {
    for (let exchange = this.#first; exchange !== undefined; exchange = this.#first) {
      if (exchange.isSending) return
      if (exchange.upgrade !== undefined) {
        this.#owner.onUpgrade(exchange)
        return
      }
      if (exchange.outgoing === undefined) {
        if (exchange.owesContinue) this.#output.text(CONTINUE)
        exchange.owesContinue = false
        return
      }
      this.#send(exchange, exchange.outgoing)
    }
    this.#owner.onAllAnswered()
  }

  /** The client has left, or will not hear of more: whoever asked for that is told. */
  abort(): void {
    for (let exchange = this.#first; exchange !== undefined; exchange = exchange.next) {
      exchange.abort()
    }
  }

  /** Nothing can be sent any more. */
  close(): void {
    this.#isClosed = true
    this.#stream?.cancel()
    for (let exchange = this.#first; exchange !== undefined; exchange = exchange.next) {
      cancel(exchange.outgoing?.body)
    }
    this.abort()
  }

  #send(exchange: Exchange, outgoing: Outgoing): void {
    const { body, headers } = outgoing
    const { isHttp10 } = exchange.head
    const isHead = exchange.method === 'HEAD'
    exchange.isLast = this.#owner.isLast(exchange)
    const framing = framingOf(outgoing, isHttp10)
    const head = responseHead(outgoing, isHead, framing, exchange.isLast)
    exchange.outgoing = undefined
    if (body === null || isHead) {
      cancel(body)
      this.#output.text(head)
      this.#finish(exchange)
    } else if (body instanceof ReadableStream) {
      exchange.isSending = true
      this.#stream = new ResponseStream(body, this.#output, framing, declaredLength(headers))
      void this.#sendStream(exchange, this.#stream, head)
    } else {
      this.#sendWhole(exchange, head, typeof body === 'string' ? encoded(body, outgoing) : body)
    }
  }

  #sendWhole(exchange: Exchange, head: string, body: string | Uint8Array): void {
    if (body.length <= JOINED_BYTES) {
      this.#output.message(head, body)
      this.#finish(exchange)
      return
    }
    exchange.isSending = true
    this.#output.largeMessage(head, body, () => {
      exchange.isSending = false
      this.#finish(exchange)
      this.proceed()
      this.#owner.onProgress()
    })
  }

  async #sendStream(exchange: Exchange, stream: ResponseStream, head: string): Promise<void> {
    const outcome = await stream.send(head)
    this.#stream = undefined
    exchange.isSending = false
    if (outcome === 'left') return
    if (outcome !== 'complete') {
      this.#owner.onBroken(exchange, outcome.failure)
      return
    }
    this.#finish(exchange)
    this.proceed()
    this.#owner.onProgress()
  }

  #finish(exchange: Exchange): void {
    exchange.isOver = true
    this.#first = exchange.next
    // A function may keep its request for long, and must not keep those behind it.
    exchange.next = undefined
    if (this.#first === undefined) this.#last = undefined
    this.#size--
    this.#owner.onAnswered(exchange)
  }
}

/** Text of one character per byte where its bytes are that. */
function encoded(text: string, { headers }: Outgoing): string | Uint8Array {
  const isAscii = declaredLength(headers) === String(text.length)
  return isAscii ? text : Buffer.from(text)
}

function cancel(body: unknown): void {
  if (body instanceof ReadableStream) body.cancel().catch(() => {})
}
