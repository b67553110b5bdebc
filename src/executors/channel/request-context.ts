import type { FunctionContext, LifecycleContext } from '../../function/contract.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { RequestMessage } from './messages.ts'
import type { ServedRequest } from './served-request.ts'

/** What a function in a runner receives beside the request. */
export class RequestContext implements FunctionContext {
  readonly #message: RequestMessage
  readonly #lifecycle: LifecycleContext
  readonly #served: ServedRequest
  #log: Logger | undefined

  constructor(message: RequestMessage, lifecycle: LifecycleContext, served: ServedRequest) {
    this.#message = message
    this.#lifecycle = lifecycle
    this.#served = served
  }

  get functionId(): string {
    return this.#lifecycle.functionId
  }

  get version(): string {
    return this.#lifecycle.version
  }

  get env(): Readonly<Record<string, string>> {
    return this.#lifecycle.env
  }

  get params(): Readonly<Record<string, string>> {
    return this.#message.params
  }

  get requestId(): string {
    return this.#message.requestId
  }

  get traceparent(): string | undefined {
    return this.#message.traceparent
  }

  get clientAddress(): string {
    return this.#message.clientAddress
  }

  get log(): Logger {
    this.#log ??= this.#lifecycle.log.child({ requestId: this.requestId })
    return this.#log
  }

  get signal(): AbortSignal {
    return this.#served.request.signal
  }

  waitUntil(promise: PromiseLike<unknown>): void {
    this.#served.waitUntil(promise)
  }

  passThroughOnException(): void {}
}
