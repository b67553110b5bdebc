import { FezzError } from '../../errors.ts'
import type { FunctionContext } from '../../function/contract.ts'
import { ownBytes } from '../../http/web/body.ts'
import { findField } from '../../http/web/fields.ts'
import { type FastResponse, withState } from '../../http/web/response.ts'
import type { ResponseState } from '../../http/web/response-state.ts'
import type { BodySource, RequestSource } from '../../http/web/source.ts'
import type { Channel } from './channel.ts'
import {
  CHUNK_COST_BYTES,
  INITIAL_CREDIT_BYTES,
  MAX_CHUNK_BYTES,
  type RequestMessage,
  type ResponseMessage,
  type ToHost,
  type ToRunner,
} from './messages.ts'
import { type BodyPeer, ReceivedBody } from './received-body.ts'
import { responseFrom } from './response-head.ts'
import { SentBody } from './sent-body.ts'
import { fromSentError, fromThrown, type SentError, toSentError } from './sent-error.ts'

/** What all calls of an instance have in common. */
export interface CallShare {
  readonly channel: Channel<ToRunner, ToHost>
  /** Of one response's body. */
  readonly maxOutputBytes: number
  /** Called when nothing more is to come for a call. */
  over(call: RemoteCall): void
}

/** One request of a remote instance, as the host sees it. */
export class RemoteCall implements BodyPeer {
  readonly id: number
  readonly context: FunctionContext
  readonly answer: Promise<FastResponse>
  readonly #share: CallShare
  readonly #source: RequestSource
  #resolve!: (response: FastResponse) => void
  #reject!: (error: unknown) => void
  /** Promises that keep the instance in use for it. */
  #waiting = 0
  #isAnswered = false
  /** By the runner, also when nobody waits for it any more. */
  #isResponded = false
  #requestBody: SentBody | undefined
  #responseBody: ReceivedBody | undefined
  /** What may still come of it before more is granted. */
  #creditBytes = 0
  #outputBytes = 0
  #isSent = false
  #abortReason: SentError | undefined
  /** Why the host waits for less than the runner; then it has to be told. */
  #dropCause: unknown

  constructor(id: number, share: CallShare, source: RequestSource, context: FunctionContext) {
    this.id = id
    this.#share = share
    this.#source = source
    this.context = context
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
    this.#send({
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

  /** Tells the runner that the request is aborted; it may answer all the same. */
  abort(cause: unknown): void {
    if (this.#isOver) return
    const reason = toSentError(cause)
    if (this.#isSent) this.#send({ type: 'abort', id: this.id, reason })
    else this.#abortReason = reason
  }

  /** Aborts it, and waits for no answer any more: whoever never answers is not to fill the host. */
  giveUp(cause: unknown): void {
    this.abort(cause)
    if (this.#isAnswered || !this.#isSent) return
    this.#isAnswered = true
    this.#dropCause = cause
    this.#reject(cause)
    this.#settle()
  }

  /** @throws TypeError for what is no response, and for a second one */
  responded(message: ResponseMessage): void {
    if (this.#isResponded) throw new TypeError('a runner answered a request twice')
    this.#isResponded = true
    const isStream = message.stream !== undefined
    if (this.#isAnswered) {
      if (isStream) this.#send({ type: 'cancel', id: this.id })
      return
    }
    const state = responseFrom(message)
    this.#isAnswered = true
    if (sizeOf(state) > this.#share.maxOutputBytes) {
      this.#reject(this.#tooLarge())
      if (isStream) this.#send({ type: 'cancel', id: this.id })
    } else {
      if (isStream) {
        this.#creditBytes = INITIAL_CREDIT_BYTES
        this.#responseBody = new ReceivedBody(this)
        state.body = this.#responseBody.stream()
      }
      this.#resolve(withState(state))
    }
    this.#settle()
  }

  failed(error: SentError): void {
    this.#isAnswered = true
    this.#reject(fromThrown(error))
    this.#settle()
  }

  /**
   * A piece of the response's body.
   *
   * @throws RangeError for one that was not allowed: it would fill the host's memory
   */
  chunk(bytes: Uint8Array<ArrayBuffer>): void {
    const body = this.#responseBody
    if (body === undefined) return
    const isPiece = bytes instanceof Uint8Array && bytes.byteLength <= MAX_CHUNK_BYTES
    if (!isPiece || this.#creditBytes <= 0)
      throw new RangeError('a runner sent more of a body than it was allowed to')
    this.#creditBytes -= bytes.byteLength + CHUNK_COST_BYTES
    this.#outputBytes += bytes.byteLength
    if (this.#outputBytes <= this.#share.maxOutputBytes) {
      body.push(bytes)
    } else {
      body.fail(this.#tooLarge())
      this.cancel()
    }
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
      this.#requestBody = new SentBody(this.#share.channel, this.id, bytes)
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
    this.#creditBytes += bytes
    this.#send({ type: 'credit', id: this.id, bytes })
  }

  cancel(): void {
    this.#responseBody = undefined
    this.#send({ type: 'cancel', id: this.id })
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

  /** Such a promise is not waited for any longer. */
  expired(cause: unknown): void {
    this.#dropCause = cause
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
    const cause = this.#dropCause
    if (cause !== undefined) this.#send({ type: 'drop', id: this.id, reason: toSentError(cause) })
    this.#share.over(this)
  }

  #tooLarge(): FezzError {
    const { maxOutputBytes } = this.#share
    const message = `the function answered with more than its maxOutput of ${maxOutputBytes} bytes`
    return new FezzError('BAD_RESPONSE', message)
  }

  #send(message: ToRunner): void {
    this.#share.channel.send(message)
  }

  async #sendWhole(body: BodySource): Promise<void> {
    const { id } = this
    try {
      const bytes = ownBytes(await body.bytes())
      if (bytes.byteLength > 0) this.#send({ type: 'chunk', id, bytes })
      this.#send({ type: 'end', id })
    } catch (error) {
      this.#send({ type: 'end', id, error: toSentError(error) })
    }
  }
}

/** As far as it is known beforehand. */
function sizeOf({ body, length }: ResponseState): number {
  if (typeof body === 'string') return Buffer.byteLength(body)
  return body instanceof Uint8Array ? body.byteLength : Number(length ?? 0)
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
