import { FezzError, type FezzErrorCode } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { ListenerOptions } from './listener.ts'
import type { LocatedRequest } from './located-request.ts'
import { problemMessage, problemResponse } from './problem.ts'
import { requestIds } from './request-id.ts'
import { IncomingRequest } from './web/incoming-request.ts'
import { FastResponse } from './web/response.ts'

/** For `Allow`; which of them a function takes, only its route knows. */
const ALLOW = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'

/** What a listener says to a request, by the handler or on its own: the same whatever reads the bytes. */
export class Answers {
  readonly #fetch: ListenerOptions['fetch']
  readonly #onRejected: ((code: FezzErrorCode) => void) | undefined
  readonly log: Logger | undefined
  readonly #requestId = requestIds()

  constructor({ fetch, onRejected, log }: ListenerOptions) {
    this.#fetch = fetch
    this.#onRejected = onRejected
    this.log = log
  }

  /** The handler's answer. @throws what the handler throws, which it must not */
  serve(request: LocatedRequest): Response | Promise<Response> {
    return request.isForServer
      ? this.#serverOptions(request)
      : this.#fetch(new IncomingRequest(request))
  }

  /** The answer in place of one that the handler has not given, or that cannot be sent. */
  failed(request: LocatedRequest, cause: unknown): FastResponse {
    const requestId = this.logFailure(request, cause)
    return problemResponse(new FezzError('INTERNAL', 'The request failed', { cause }), requestId)
  }

  /** Logs that the handler has failed. @returns the id of the request */
  logFailure(request: LocatedRequest, cause: unknown): string {
    const requestId = this.#requestId(request.requestId)
    this.log?.error({ err: cause, requestId }, 'no response could be sent')
    return requestId
  }

  /** The refusal of a request; counted and logged. */
  refusal(error: FezzError, receivedId: string | undefined): FastResponse {
    return problemResponse(error, this.reject(error, receivedId))
  }

  /** The refusal of bytes that no request was made of, as a whole message; see {@link refusal}. */
  refusalMessage(error: FezzError, receivedId?: string): string {
    return problemMessage(error, this.reject(error, receivedId))
  }

  /** Counts and logs a refusal. @returns the id by which the log has it */
  reject(error: FezzError, receivedId?: string): string {
    const requestId = this.#requestId(receivedId)
    this.#onRejected?.(error.code)
    this.log?.debug({ code: error.code, detail: error.message, requestId }, 'request refused')
    return requestId
  }

  /** The answer to `OPTIONS *`. */
  #serverOptions(request: LocatedRequest): FastResponse {
    const headers = { allow: ALLOW, 'x-request-id': this.#requestId(request.requestId) }
    return new FastResponse(null, { status: 204, headers })
  }
}

/** What no listener serves, whatever reads the bytes. */
export function unserved(method: string, expectation: string | undefined): FezzError | undefined {
  if (method === 'TRACE') {
    return new FezzError('METHOD_NOT_ALLOWED', 'TRACE is not served', { headers: { allow: ALLOW } })
  }
  if (method === 'CONNECT') return new FezzError('NOT_IMPLEMENTED', 'CONNECT is not served')
  if (expectation !== undefined && expectation.toLowerCase() !== '100-continue') {
    return new FezzError('EXPECTATION_FAILED', 'The only Expect served is 100-continue')
  }
  return undefined
}
