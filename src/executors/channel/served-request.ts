import { FezzError } from '../../errors.ts'
import type { FunctionContext, LifecycleContext } from '../../function/contract.ts'
import { ownBytes } from '../../http/web/body.ts'
import { abortRequest, IncomingRequest } from '../../http/web/incoming-request.ts'
import { claimResponse, takeOutgoing } from '../../http/web/outgoing.ts'
import type { RequestSource } from '../../http/web/source.ts'
import type { Channel } from './channel.ts'
import {
  INITIAL_CREDIT_BYTES,
  type RequestMessage,
  type ToHost,
  type ToRunner,
} from './messages.ts'
import { type BodyPeer, ReceivedBody } from './received-body.ts'
import { RequestContext } from './request-context.ts'
import { SentBody } from './sent-body.ts'
import { fromSentError, type SentError, toSentError } from './sent-error.ts'

/** A larger body goes in pieces, as fast as its reader takes them. */
const MAX_WHOLE_BYTES = 131_072

/** One request in the runner: what the function reads it from, and where its answer goes. */
export class ServedRequest implements RequestSource, BodyPeer {
  readonly id: number
  readonly method: string
  readonly scheme: 'http' | 'https'
  readonly authority: string
  readonly target: string
  readonly rawHeaders: readonly string[]
  readonly requestId: string
  readonly clientAddress: string
  readonly body: ReceivedBody | null
  readonly request: IncomingRequest
  readonly context: FunctionContext
  readonly #channel: Channel<ToHost, ToRunner>
  readonly #over: (request: ServedRequest) => void
  #responseBody: SentBody | undefined
  #isAnswered = false
  #isDropped = false
  #lastWait = 0
  #waiting = 0

  /** @param over called when nothing more is to be sent for it */
  constructor(
    message: RequestMessage,
    lifecycle: LifecycleContext,
    channel: Channel<ToHost, ToRunner>,
    over: (request: ServedRequest) => void,
  ) {
    this.id = message.id
    this.method = message.method
    this.scheme = message.scheme
    this.authority = message.authority
    this.target = message.target
    this.rawHeaders = message.rawHeaders
    this.requestId = message.requestId
    this.clientAddress = message.clientAddress
    this.body =
      message.body === 'none'
        ? null
        : new ReceivedBody(this, message.body === 'on-demand' ? INITIAL_CREDIT_BYTES : 0)
    this.request = new IncomingRequest(this)
    this.context = new RequestContext(message, lifecycle, this)
    this.#channel = channel
    this.#over = over
    if (message.abortReason !== undefined) this.abort(message.abortReason)
  }

  /** The host tells of it by a message: see {@link abort}. */
  onAbort(): void {}

  abort(reason: SentError): void {
    abortRequest(this.request, fromSentError(reason))
  }

  /** Lets go of it: the host does not wait for what is still to come. */
  drop(reason: SentError): void {
    this.#isDropped = true
    this.body?.fail(fromSentError(reason))
    this.cancelled()
  }

  /** Sends what the function has returned. */
  answer(value: unknown): void {
    if (this.#isDropped) {
      if (value instanceof Response) value.body?.cancel().catch(() => {})
      return
    }
    try {
      this.#respond(value)
    } catch (error) {
      this.fail(error)
      return
    }
    this.#isAnswered = true
    this.#settle()
  }

  /** Sends what the function has thrown. */
  fail(error: unknown): void {
    this.#channel.send({ type: 'failed', id: this.id, error: toSentError(error) })
    this.#isAnswered = true
    this.#settle()
  }

  /** More of the response's body may be sent. */
  credit(bytes: number): void {
    this.#responseBody?.grant(bytes)
  }

  /** Nobody reads the response's body any more. */
  cancelled(): void {
    this.#responseBody?.cancel(new DOMException('Nobody reads the response', 'AbortError'))
    this.#responseBody = undefined
    this.#settle()
  }

  waitUntil(given: PromiseLike<unknown>): void {
    const { id } = this
    const promise = ++this.#lastWait
    // The host does not know any more whose it is, so that the log has to be written here.
    const isLate = this.#isOver
    this.#waiting++
    this.#channel.send({ type: 'wait-until', id, promise })
    const settled = (error?: SentError): void => {
      this.#channel.send({ type: 'settled', id, promise, error })
      this.#waiting--
      this.#settle()
    }
    // It may be no promise at all.
    Promise.resolve(given).then(
      () => settled(),
      err => {
        if (isLate) this.context.log.error({ err }, 'a waitUntil promise has rejected')
        settled(isLate ? undefined : toSentError(err))
      },
    )
  }

  grant(bytes: number): void {
    this.#channel.send({ type: 'credit', id: this.id, bytes })
  }

  cancel(): void {
    this.#channel.send({ type: 'cancel', id: this.id })
  }

  get #isOver(): boolean {
    if (this.#isDropped) return true
    return this.#isAnswered && this.#responseBody === undefined && this.#waiting === 0
  }

  #settle(): void {
    if (!this.#isOver) return
    // Who still reads it would wait for ever: the host has let go of it.
    this.body?.fail(new FezzError('CLIENT_CLOSED', 'The request is over, its body cannot be read'))
    this.#over(this)
  }

  #respond(value: unknown): void {
    const { status, statusText, headers, body } = takeOutgoing(claimResponse(value))
    const { id } = this
    const length = body === null ? undefined : takeLength(headers)
    const head = { type: 'response', id, status, statusText, headers } as const
    if (body === null || (!(body instanceof ReadableStream) && body.length <= MAX_WHOLE_BYTES)) {
      this.#channel.send({ ...head, body: body instanceof Uint8Array ? ownBytes(body) : body })
      return
    }
    this.#channel.send({ ...head, body: null, stream: { length } })
    this.#responseBody = new SentBody(this.#channel, id, INITIAL_CREDIT_BYTES)
    const stream = body instanceof ReadableStream ? body : streamOf(body)
    void this.#responseBody.send(stream).then(() => {
      this.#responseBody = undefined
      this.#settle()
    })
  }
}

/** Takes the Content-Length out, which the host finds anew; it is the last field if it is there. */
function takeLength(headers: string[]): string | undefined {
  return headers.at(-2) === 'content-length' ? headers.splice(-2)[1] : undefined
}

function streamOf(body: string | Uint8Array): ReadableStream<Uint8Array> {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  return new ReadableStream({
    start(controller) {
      controller.enqueue(bytes)
      controller.close()
    },
  })
}
