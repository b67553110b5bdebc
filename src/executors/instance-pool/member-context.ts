import type { FunctionContext } from '../../function/contract.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { Member } from './member.ts'

/** The context of a request whose `waitUntil` also keeps the one instance that serves it. */
export class MemberContext implements FunctionContext {
  readonly #context: FunctionContext
  readonly #member: Member

  constructor(context: FunctionContext, member: Member) {
    this.#context = context
    this.#member = member
  }

  get functionId(): string {
    return this.#context.functionId
  }

  get version(): string {
    return this.#context.version
  }

  get env(): Readonly<Record<string, string>> {
    return this.#context.env
  }

  get log(): Logger {
    return this.#context.log
  }

  get params(): Readonly<Record<string, string>> {
    return this.#context.params
  }

  get requestId(): string {
    return this.#context.requestId
  }

  get traceparent(): string | undefined {
    return this.#context.traceparent
  }

  get clientAddress(): string {
    return this.#context.clientAddress
  }

  get signal(): AbortSignal {
    return this.#context.signal
  }

  waitUntil(promise: PromiseLike<unknown>): void {
    this.#member.waitUntil(promise)
    this.#context.waitUntil(promise)
  }

  passThroughOnException(): void {}
}
