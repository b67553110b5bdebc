/**
 * Every failure Fezz itself can report. One word per cause; the HTTP status it answers with is in
 * {@link STATUS_OF_CODE}.
 */
export type FezzErrorCode = keyof typeof STATUS_OF_CODE

/** HTTP status (RFC 9110, section 15) for each code. Codes that never reach a client map to 500. */
export const STATUS_OF_CODE = {
  /** The request cannot be understood: Host, target, framing. */
  BAD_REQUEST: 400,
  /** No route matches the path. */
  NOT_FOUND: 404,
  /** A route matches the path, none the method. */
  METHOD_NOT_ALLOWED: 405,
  /** A condition on the store does not hold: somebody else was faster. */
  CONFLICT: 409,
  /** The request's head or body did not arrive in time. */
  REQUEST_TIMEOUT: 408,
  /** The request body is larger than `maxBodySize`. */
  PAYLOAD_TOO_LARGE: 413,
  /** The request target is too long. */
  URI_TOO_LONG: 414,
  /** `Expect` asks for something other than `100-continue`. */
  EXPECTATION_FAILED: 417,
  /** The function's `maxConcurrency` and its waiting room are full, or its `rateLimit` is reached. */
  TOO_MANY_REQUESTS: 429,
  /** The request head is larger than the listener accepts. */
  HEADERS_TOO_LARGE: 431,
  /** The client left before the response was complete; never sent, only logged and counted. */
  CLIENT_CLOSED: 499,
  /** The client took nothing of its response for too long; never sent, only counted. */
  RESPONSE_STALLED: 499,
  /** Fezz itself failed. */
  INTERNAL: 500,
  /** The function threw, rejected, or returned something that is not a Response. */
  FUNCTION_ERROR: 500,
  /** A method or an Upgrade this host does not implement. */
  NOT_IMPLEMENTED: 501,
  /** The instance died while it served the request. */
  INSTANCE_EXITED: 502,
  /** The program or container behind the function answered nothing that can be understood, or broke off. */
  BAD_RESPONSE: 502,
  /** The function could not be loaded; retried with backoff. */
  FUNCTION_LOAD_FAILED: 503,
  /** The host has reached `maxInFlight`, or the function its share of it. */
  OVERLOADED: 503,
  /** The host does not know its functions yet. */
  STARTING: 503,
  /** The host is shutting down. */
  DRAINING: 503,
  /** The store of the control plane does not answer. */
  STORE_UNAVAILABLE: 503,
  /** A watch of the store cannot vouch for completeness any more; never sent, only counted. */
  WATCH_LOST: 503,
  /** The code or image of a function cannot be fetched, or the code is not what its sha256 says. */
  ARTIFACT_UNAVAILABLE: 503,
  /** The function did not answer within its timeout. */
  FUNCTION_TIMEOUT: 504,
  /** The version of HTTP is none that is served here. */
  HTTP_VERSION_NOT_SUPPORTED: 505,
  /** A function's declaration is wrong; thrown at registration. */
  INVALID_MANIFEST: 500,
  /** An entry of the store is wrong; it is left out, or its last good version stays. */
  INVALID_ENTRY: 500,
  /** A setting is unknown or wrong; thrown at start. */
  INVALID_CONFIG: 500,
  /** A function's sources do not build. */
  BUILD_FAILED: 500,
} as const

export interface FezzErrorOptions extends ErrorOptions {
  /** Extra headers of the answer, lower-case names, e.g. `{ allow: 'GET, HEAD' }`. */
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * The one error class of Fezz. `message` is short and safe to show to a client; the `cause` is for
 * the log only and never leaves the host.
 */
export class FezzError extends Error {
  override readonly name = 'FezzError'
  readonly code: FezzErrorCode
  readonly headers: Readonly<Record<string, string>> | undefined

  constructor(code: FezzErrorCode, message: string, options?: FezzErrorOptions) {
    super(message, options)
    this.code = code
    this.headers = options?.headers
  }

  /** HTTP status that answers this error. */
  get status(): number {
    return STATUS_OF_CODE[this.code]
  }
}
