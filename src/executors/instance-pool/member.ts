import type { Clock } from '../../clock.ts'
import type { FunctionContext, Instance } from '../../function/contract.ts'
import { adoptResponse, isStreaming, onBodySettled } from '../../http/web/outgoing.ts'
import type { FastResponse } from '../../http/web/response.ts'
import { MemberContext } from './member-context.ts'

export interface MemberOptions {
  readonly instance: Instance
  readonly clock: Clock
  /** The longest that an unanswered request, or a `waitUntil`, counts as a use. */
  readonly timeoutMs: number
}

/** One instance of a pool, and what uses it: requests up to the end of their body, `waitUntil`. */
export class Member {
  readonly instance: Instance
  /** On the pool's clock. */
  readonly loadedMs: number
  readonly #clock: Clock
  readonly #timeoutMs: number
  #uses = 0

  constructor({ instance, clock, timeoutMs }: MemberOptions) {
    this.instance = instance
    this.loadedMs = clock.now()
    this.#clock = clock
    this.#timeoutMs = timeoutMs
  }

  get uses(): number {
    return this.#uses
  }

  /** What the instance answers; a body that is streamed tells when it has ended. */
  fetch(request: Request, context: FunctionContext): Response | Promise<Response> {
    const end = this.#use()
    let result: Response | Promise<Response>
    try {
      result = this.instance.fetch(request, new MemberContext(context, this))
    } catch (error) {
      end()
      throw error
    }
    return isThenable(result) ? this.#whenAnswered(result, end) : untilBodyEnds(result, end)
  }

  /** Counts as a use until `promise` settles, but for no longer than the function's timeout. */
  waitUntil(promise: PromiseLike<unknown>): void {
    const end = this.#use()
    const timer = this.#clock.setTimer(end, this.#timeoutMs)
    const settled = () => {
      timer.cancel()
      end()
    }
    Promise.resolve(promise).then(settled, settled)
  }

  /** The caller has been told at the deadline; what is still computed then is nobody's. */
  async #whenAnswered(answer: PromiseLike<Response>, end: () => void): Promise<Response> {
    const timer = this.#clock.setTimer(end, this.#timeoutMs)
    try {
      return untilBodyEnds(await answer, end)
    } catch (error) {
      end()
      throw error
    } finally {
      timer.cancel()
    }
  }

  /** Begins a use; the result ends it, once. */
  #use(): () => void {
    this.#uses++
    let isOver = false
    return () => {
      if (!isOver) this.#uses--
      isOver = true
    }
  }
}

/** @returns `value` as it is to be passed on; `end` is called when it needs the instance no more */
function untilBodyEnds(value: Response, end: () => void): Response {
  let response: FastResponse
  try {
    response = adoptResponse(value)
    if (isStreaming(response)) {
      onBodySettled(response, end)
      return response
    }
  } catch {
    // It cannot be sent: whoever gets it says so.
    end()
    return value
  }
  end()
  return response
}

function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as Partial<PromiseLike<T>> | null | undefined)?.then === 'function'
}
