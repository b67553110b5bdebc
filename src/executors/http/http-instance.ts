import type { Clock } from '../../clock.ts'
import { FezzError } from '../../errors.ts'
import type { FunctionContext, Instance, InstanceExit } from '../../function/contract.ts'
import {
  type IncomingRequest,
  onRequestAbort,
  sourceOf,
  toIncoming,
} from '../../http/web/incoming-request.ts'
import type { Address } from './address.ts'
import { Connections, type OutgoingRequest } from './connections.ts'
import { exchangeError, instanceGone, isBreakdown } from './errors.ts'
import { Exchange } from './exchange.ts'
import { requestBody } from './request-body.ts'
import { requestFields } from './request-fields.ts'

/** How long a broken connection waits for the news that the server has died. */
const NEWS_MS = 500

export interface HttpInstanceOptions {
  readonly address: Address
  /** Ends the server, or lets it sleep; called once. */
  end(): Promise<void>
  /** Resolves when the server dies, whoever ended it. */
  readonly exited: Promise<InstanceExit>
  /** Called when a request was given up at its deadline: the server may be stuck. */
  overdue?(): void
  /** Of one response's body. Default: no bound. */
  readonly maxOutputBytes?: number
  readonly clock: Clock
}

/** An instance that is a server of HTTP/1.1: requests go to it as they came, bodies as they flow. */
export class HttpInstance implements Instance {
  readonly exited: Promise<InstanceExit>
  readonly #options: HttpInstanceOptions
  readonly #connections: Connections
  #isDead = false
  #news: Promise<void> | undefined
  #unloading: Promise<void> | undefined

  constructor(options: HttpInstanceOptions) {
    this.#options = options
    this.#connections = new Connections(options.address, options.clock)
    this.exited = new Promise(resolve => {
      void options.exited.then(exit => {
        this.#isDead = true
        // What is still under way would else wait for ever where something else holds its socket.
        void this.#connections.close()
        if (this.#unloading === undefined) resolve(exit)
      })
    })
  }

  /**
   * @throws FezzError `INSTANCE_EXITED`; `BAD_RESPONSE` when it answers nothing that can be
   *   understood, too much, or breaks off; `NOT_IMPLEMENTED` for CONNECT; what reading the request's
   *   body throws
   * @throws the reason for which the request was aborted
   */
  fetch(request: Request, context: FunctionContext): Promise<Response> {
    if (this.#isGone) throw instanceGone()
    return this.#fetch(toIncoming(request), context)
  }

  /** Cuts the connections and ends the server. Rejects with what ending it throws. */
  unload(): Promise<void> {
    this.#unloading ??= this.#unload()
    return this.#unloading
  }

  async #unload(): Promise<void> {
    const closing = this.#connections.close()
    // At once: whoever asks for the server from now on is to find it ending.
    await Promise.all([closing, this.#options.end()])
  }

  get #isGone(): boolean {
    return this.#isDead || this.#unloading !== undefined
  }

  async #fetch(request: IncomingRequest, context: FunctionContext): Promise<Response> {
    const source = sourceOf(request)
    const { method, target } = source
    if (method === 'CONNECT') {
      throw new FezzError('NOT_IMPLEMENTED', 'CONNECT is not passed on to functions')
    }
    let exchange = this.#exchange(method)
    onRequestAbort(request, reason => {
      exchange.abort(reason)
      if ((reason as Error | null)?.name === 'TimeoutError') this.#options.overdue?.()
    })
    const reading = requestBody(source)
    // The response can only reject before the request was sent: when it is aborted.
    const body =
      reading instanceof Promise ? await Promise.race([reading, exchange.response]) : reading
    const fields = requestFields(source, context)
    const outgoing = { method, target, fields, body } as OutgoingRequest
    try {
      this.#connections.send(outgoing, exchange)
      return await exchange.response
    } catch (error) {
      if (this.#isGone || !isRepeatable(outgoing, exchange)) throw await this.#told(error, exchange)
    }
    // The server may close a kept connection just when it is used again (RFC 9112, section 9.3.1).
    exchange = this.#exchange(method)
    try {
      this.#connections.sendAlone(outgoing, exchange)
      return await exchange.response
    } catch (error) {
      throw await this.#told(error, exchange)
    }
  }

  #exchange(method: string): Exchange {
    const { maxOutputBytes = Number.POSITIVE_INFINITY } = this.#options
    return new Exchange({ method, maxOutputBytes })
  }

  /** What has failed an exchange, as the host is told it. */
  async #told(error: unknown, exchange: Exchange): Promise<unknown> {
    if (exchange.isAborted || error instanceof FezzError) return error
    if (isBreakdown(error) && !this.#isGone) {
      this.#news ??= this.#newsOfDeath()
      await this.#news
    }
    return this.#isGone ? instanceGone(error) : exchangeError(error)
  }

  /** Resolves when it is known that the server has died, or as soon as that would be known. */
  async #newsOfDeath(): Promise<void> {
    const { clock, exited } = this.#options
    const late = Promise.withResolvers<void>()
    const timer = clock.setTimer(late.resolve, NEWS_MS)
    await Promise.race([exited, late.promise])
    timer.cancel()
    this.#news = undefined
  }
}

/** Whether a request may be sent again after a failure: nothing can have come of the first time. */
function isRepeatable({ method, body }: OutgoingRequest, exchange: Exchange): boolean {
  const isSafe = method === 'GET' || method === 'HEAD'
  return isSafe && body === null && exchange.isUnanswered && !exchange.isAborted
}
