import { findField, isFieldValue } from '../../http/web/fields.ts'
import { withState } from '../../http/web/response.ts'
import { ResponseState } from '../../http/web/response-state.ts'
import type { ResponseController, ResponseHandler } from './connections.ts'
import { badResponse } from './errors.ts'
import { WHOLE_BYTES } from './request-body.ts'

export interface ExchangeOptions {
  readonly method: string
  /** Of the response's body. */
  readonly maxOutputBytes: number
}

/**
 * One request to a server, and the response to it. A body that is known to be small, or that comes
 * at once with its head, is answered whole; any other streams, as fast as it is read.
 */
export class Exchange implements ResponseHandler {
  /** Rejects with what {@link abort} was given, a FezzError, or the connection's own error. */
  readonly response: Promise<Response>
  readonly #options: ExchangeOptions
  readonly #answer: PromiseWithResolvers<Response> = Promise.withResolvers()
  #controller: ResponseController | undefined
  #abortReason: Error | undefined
  #isAnswered = false
  #isOver = false
  #state: ResponseState | undefined
  #chunks: Buffer[] = []
  #receivedBytes = 0
  #stream: ReadableStreamDefaultController<Uint8Array> | undefined

  constructor(options: ExchangeOptions) {
    this.#options = options
    this.response = this.#answer.promise
  }

  /** Whether it was on its way, and nothing of an answer had come. */
  get isUnanswered(): boolean {
    return this.#controller !== undefined && !this.#isAnswered
  }

  get isAborted(): boolean {
    return this.#abortReason !== undefined
  }

  /** Gives the request up; the response, or its body, fails with `reason`. */
  abort(reason: unknown): void {
    if (this.#isOver) return
    const error = reason instanceof Error ? reason : new Error(String(reason))
    this.#abortReason = error
    this.#fail(error)
  }

  onRequestStart(controller: ResponseController): void {
    this.#controller = controller
    if (this.#abortReason !== undefined) controller.abort(this.#abortReason)
  }

  onResponseStarted(): void {
    this.#isAnswered = true
  }

  onResponseStart(
    controller: ResponseController,
    status: number,
    _headers: unknown,
    statusText = '',
  ): void {
    // Informational: the answer is yet to come (RFC 9110, section 15.2).
    if (this.#isOver || status < 200) return
    if (status > 599) {
      this.#fail(badResponse(`answered with the status ${status}`))
      return
    }
    const state = new ResponseState()
    state.status = status
    state.statusText = isFieldValue(statusText) ? statusText : ''
    state.headers = fieldsFrom(controller.rawHeaders as readonly Buffer[])
    this.#state = state
    const length = findField(state.headers, 'content-length')
    if (this.#hasNoBody(state)) return
    state.length = length
    if (Number(length) > this.#options.maxOutputBytes) {
      this.#failTooLarge()
      return
    }
    // Else it may be here already; that is known when all was read that has come.
    if (!(Number(length) <= WHOLE_BYTES)) queueMicrotask(() => this.#streamUnlessOver(state))
  }

  onResponseData(controller: ResponseController, chunk: Buffer): void {
    // What must have no body may still bring one.
    if (this.#isOver || this.#hasNoBody(this.#state as ResponseState)) return
    this.#receivedBytes += chunk.length
    if (this.#receivedBytes > this.#options.maxOutputBytes) {
      this.#failTooLarge()
    } else if (this.#stream === undefined) {
      this.#chunks.push(chunk)
    } else {
      this.#stream.enqueue(chunk)
      if (this.#stream.desiredSize! <= 0) controller.pause()
    }
  }

  onResponseEnd(): void {
    if (this.#isOver) return
    this.#isOver = true
    if (this.#stream !== undefined) {
      this.#stream.close()
      return
    }
    const state = this.#state as ResponseState
    if (!this.#hasNoBody(state)) state.body = joined(this.#chunks)
    this.#answer.resolve(withState(state))
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.#fail(error)
  }

  /** RFC 9110, section 6.4.1; and 205, which has none either (section 15.3.6). */
  #hasNoBody({ status }: ResponseState): boolean {
    return status === 204 || status === 205 || status === 304 || this.#options.method === 'HEAD'
  }

  #streamUnlessOver(state: ResponseState): void {
    if (this.#isOver) return
    state.body = new ReadableStream<Uint8Array>(
      {
        start: stream => {
          this.#stream = stream
          for (const chunk of this.#chunks.splice(0)) stream.enqueue(chunk)
        },
        pull: () => this.#controller?.resume(),
        cancel: () => this.#leave(new Error('nobody reads the response any more')),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: WHOLE_BYTES }),
    )
    this.#answer.resolve(withState(state))
  }

  #failTooLarge(): void {
    const { maxOutputBytes } = this.#options
    this.#fail(badResponse(`answered with more than its maxOutput of ${maxOutputBytes} bytes`))
  }

  #fail(error: Error): void {
    if (this.#isOver) return
    this.#leave(error)
    if (this.#stream === undefined) this.#answer.reject(error)
    else this.#stream.error(error)
  }

  #leave(reason: Error): void {
    this.#isOver = true
    this.#controller?.abort(reason)
  }
}

/** Names in lower case. */
function fieldsFrom(raw: readonly Buffer[]): string[] {
  const fields: string[] = []
  for (let at = 0; at < raw.length; at += 2) {
    // Space around a value is no part of it (RFC 9110, section 5.5); the parser leaves it behind.
    const value = raw[at + 1]!.toString('latin1').replace(/^[ \t]+|[ \t]+$/g, '')
    fields.push(raw[at]!.toString('latin1').toLowerCase(), value)
  }
  return fields
}

function joined(chunks: readonly Buffer[]): Uint8Array<ArrayBuffer> {
  const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
  return bytes as Uint8Array<ArrayBuffer>
}
