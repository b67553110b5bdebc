import type { FunctionContext } from '../function/contract.ts'
import { headerOf, type IncomingRequest, sourceOf } from '../http/web/incoming-request.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Deadline, DeadlineList } from './deadlines.ts'
import type { HostedFunction } from './hosted-function.ts'

/** One call of a function, as the host sees it. */
export class Invocation implements Deadline {
  readonly hosted: HostedFunction
  readonly request: IncomingRequest
  readonly params: Readonly<Record<string, string>>
  readonly requestId: string
  /** Arrival, on the host's clock. */
  readonly startedMs: number
  /** Whether it holds a place in its slot. */
  acquired = false
  /** Settles the host's promise, if the answer could not be given at once. */
  resolve: ((response: Response) => void) | undefined
  expiresMs = 0
  previous: this | undefined
  next: this | undefined
  list: DeadlineList<this> | undefined

  constructor(
    hosted: HostedFunction,
    request: IncomingRequest,
    params: Readonly<Record<string, string>>,
    requestId: string,
    startedMs: number,
  ) {
    this.hosted = hosted
    this.request = request
    this.params = params
    this.requestId = requestId
    this.startedMs = startedMs
    this.resolve = undefined
    this.previous = undefined
    this.next = undefined
    this.list = undefined
  }
}

/** W3C Trace Context, section 3.2: version, trace id, parent id, flags; more of it from 01 on. */
const TRACEPARENT =
  /^(?!ff|00.{54})[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}(?:-.*)?$/

/** An {@link Invocation} as its function sees it. Everything that costs is made when it is read. */
export class InvocationContext implements FunctionContext {
  readonly #invocation: Invocation
  #log: Logger | undefined

  constructor(invocation: Invocation) {
    this.#invocation = invocation
  }

  get functionId(): string {
    return this.#invocation.hosted.id
  }

  get version(): string {
    return this.#invocation.hosted.version
  }

  get env(): Readonly<Record<string, string>> {
    return this.#invocation.hosted.env
  }

  get params(): Readonly<Record<string, string>> {
    return this.#invocation.params
  }

  get requestId(): string {
    return this.#invocation.requestId
  }

  get log(): Logger {
    this.#log ??= this.#invocation.hosted.log.child({ requestId: this.requestId })
    return this.#log
  }

  get signal(): AbortSignal {
    return this.#invocation.request.signal
  }

  get traceparent(): string | undefined {
    const value = headerOf(this.#invocation.request, 'traceparent')
    return value !== undefined && TRACEPARENT.test(value) ? value : undefined
  }

  get clientAddress(): string {
    return sourceOf(this.#invocation.request).clientAddress
  }

  waitUntil(promise: PromiseLike<unknown>): void {
    this.#invocation.hosted.waitUntil(promise, this.requestId)
  }

  passThroughOnException(): void {}
}
