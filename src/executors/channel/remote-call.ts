import type { FezzError } from '../../errors.ts'
import type { FunctionContext } from '../../function/contract.ts'
import { ownBytes } from '../../http/web/body.ts'
import { findField } from '../../http/web/fields.ts'
import { type FastResponse, withState } from '../../http/web/response.ts'
import { ResponseState } from '../../http/web/response-state.ts'
import type { BodySource, RequestSource } from '../../http/web/source.ts'
import type { Channel } from './channel.ts'
import {
  INITIAL_CREDIT_BYTES,
  type RequestMessage,
  type ResponseMessage,
  type ToHost,
  type ToRunner,
} from './messages.ts'
import { type BodyPeer, ReceivedBody } from './received-body.ts'
import { SentBody } from './sent-body.ts'
import { fromSentError, type SentError, toSentError } from './sent-error.ts'

/** One request of a remote instance, as the host sees it. */
export class RemoteCall implements BodyPeer {
  readonly id: number
  readonly context: FunctionContext
  readonly answer: Promise<FastResponse>
  readonly #channel: Channel<ToRunner, ToHost>
  readonly #source: RequestSource
  #resolve!: (response: FastResponse) => void
  #reject!: (error: unknown) => void
  readonly #over: (call: RemoteCall) => void
  /** Promises that keep the instance in use for it. */
  #waiting = 0
  #isAnswered = false
  #requestBody: SentBody | undefined
  #responseBody: ReceivedBody | undefined
  #isSent = false
  #abortReason: SentError | undefined

  /** @param over called when nothing more is to come for it */
  constructor(
    id: number,
    channel: Channel<ToRunner, ToHost>,
    source: RequestSource,
    context: FunctionContext,
    over: (call: RemoteCall) => void,
  ) {
    this.id = id
    this.#channel = channel
    this.#source = source
    this.context = context
    this.#over = over
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /** Sends the request, with its body if that is small. */
  send(): void {
    const source = this.#source
    const { params, requestId, traceparent } = this.context
    const body = bodyOf(source)
    this.#channel.send({
      type: 'request',
      id: this.id,
      method: source.method,
      scheme: source.scheme,
      authority: source.authority,
      target: source.target,
      rawHeaders: source.rawHeaders,
      clientAddress: source.clientAddress,
      params,
      requestId,
      traceparent,
      body,
      abortReason: this.#abortReason,
    })
    this.#isSent = true
    if (body === 'follows') void this.#sendWhole(source.body as BodySource)
  }

  /** Tells the runner that nobody waits for the answer any more. */
  abort(cause: unknown): void {
    if (this.#isOver) return
    const reason = toSentError(cause)
    if (this.#isSent) this.#channel.send({ type: 'abort', id: this.id, reason })
    else this.#abortReason = reason
  }

  responded({ status, statusText, headers, body, stream }: ResponseMessage): void {
    if (this.#isAnswered) return
    const state = new ResponseState()
    state.status = status
    state.statusText = statusText
    state.headers = headers as string[]
    state.body = body
    if (stream !== undefined) {
      this.#responseBody = new ReceivedBody(this)
      state.body = this.#responseBody.stream()
      state.length = stream.length
    }
    this.#isAnswered = true
    this.#resolve(withState(state))
    this.#settle()
  }

  failed(error: SentError): void {
    this.#isAnswered = true
    this.#reject(fromSentError(error))
    this.#settle()
  }

  /** A piece of the response's body. */
  chunk(bytes: Uint8Array<ArrayBuffer>): void {
    this.#responseBody?.push(bytes)
  }

  /** The response's body has ended. */
  ended(error: SentError | undefined): void {
    if (error === undefined) this.#responseBody?.end()
    else this.#responseBody?.fail(fromSentError(error))
    this.#responseBody = undefined
    this.#settle()
  }

  /** The runner wants `bytes` more of the request's body. */
  credit(bytes: number): void {
    if (this.#requestBody !== undefined) {
      this.#requestBody.grant(bytes)
    } else if (bodyOf(this.#source) === 'on-demand') {
      this.#requestBody = new SentBody(this.#channel, this.id, bytes)
      void this.#requestBody.send((this.#source.body as BodySource).stream())
    }
  }

  /** The runner wants no more of it. */
  cancelled(): void {
    this.#requestBody?.cancel(new Error('The function reads no more of the body'))
  }

  /** The instance is gone. */
  lose(error: FezzError): void {
    if (!this.#isAnswered) this.#reject(error)
    this.#isAnswered = true
    this.#responseBody?.fail(error)
    this.#responseBody = undefined
    this.#requestBody?.cancel(error)
  }

  grant(bytes: number): void {
    this.#channel.send({ type: 'credit', id: this.id, bytes })
  }

  cancel(): void {
    this.#responseBody = undefined
    this.#channel.send({ type: 'cancel', id: this.id })
    this.#settle()
  }

  /** A promise that keeps the instance in use has come. */
  waits(): void {
    this.#waiting++
  }

  /** Such a promise has settled. */
  waited(): void {
    this.#waiting--
    this.#settle()
  }

  get #isOver(): boolean {
    return this.#isAnswered && this.#responseBody === undefined && this.#waiting === 0
  }

  #settle(): void {
    if (!this.#isOver) return
    // The runner lets go of the request as well, and reads no more of it.
    this.cancelled()
    this.#over(this)
  }

  async #sendWhole(body: BodySource): Promise<void> {
    const { id } = this
    try {
      const bytes = ownBytes(await body.bytes())
      if (bytes.byteLength > 0) this.#channel.send({ type: 'chunk', id, bytes })
      this.#channel.send({ type: 'end', id })
    } catch (error) {
      this.#channel.send({ type: 'end', id, error: toSentError(error) })
    }
  }
}

/**
 * A body that is small for sure goes along: asking for it would cost a round trip. Not if the client
 * waits for a 100, which only its reader may cause.
 */
function bodyOf({ method, body, rawHeaders }: RequestSource): RequestMessage['body'] {
  if (body === null || method === 'GET' || method === 'HEAD') return 'none'
  const length = findField(rawHeaders, 'content-length')
  const isSmall = length !== undefined && Number(length) <= INITIAL_CREDIT_BYTES
  return isSmall && findField(rawHeaders, 'expect') === undefined ? 'follows' : 'on-demand'
}
