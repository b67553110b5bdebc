import { bodyUnusable, decodeJson, decodeText, ownBuffer, ownBytes } from './body.ts'
import { delegate } from './delegate.ts'
import { findField } from './fields.ts'
import { adoptHeaders, FastHeaders, platformHeaders } from './headers.ts'
import { PlatformSource } from './platform-source.ts'
import type { BodySource, RequestSource } from './source.ts'

const PlatformRequest = globalThis.Request

// Functions that see the private members; the static block of the class makes them.
let friends!: {
  isIncoming(value: unknown): value is IncomingRequest
  platformRequest(request: Request): Request
  sourceOf(request: IncomingRequest): RequestSource
  abortRequest(request: IncomingRequest, reason?: unknown): void
  onRequestAbort(request: IncomingRequest, listener: (reason: unknown) => void): void
}

export interface IncomingRequest extends Request {}

/**
 * The Request that a function receives, over a {@link RequestSource}. Making one costs next to
 * nothing; method, url, headers, signal and reading the body whole are answered from the source.
 * The rare rest (body, clone, formData, ...) makes a genuine platform Request, which answers for
 * the body from then on.
 *
 * It inherits from the platform's Request.prototype without running its constructor, so that
 * `instanceof Request` holds.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: delegate() adds the other members
export class IncomingRequest {
  readonly #source: RequestSource
  #url: string | undefined
  #headers: FastHeaders | undefined
  #used = false
  #platform: Request | undefined
  #controller: AbortController | undefined
  #abortReason: unknown
  #abortListener: ((reason: unknown) => void) | undefined

  constructor(source: RequestSource) {
    this.#source = source
  }

  get method(): string {
    return this.#source.method
  }

  get url(): string {
    if (this.#url === undefined) {
      const { scheme, authority, target } = this.#source
      this.#url = `${scheme}://${authority}${target}`
    }
    return this.#url
  }

  get headers(): Headers {
    if (this.#headers === undefined) this.#headers = new FastHeaders(this.#source.rawHeaders)
    return this.#headers
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      const controller = new AbortController()
      this.#controller = controller
      if (this.#abortReason !== undefined) controller.abort(this.#abortReason)
      else this.#source.onAbort(() => controller.abort())
    }
    return this.#controller.signal
  }

  get bodyUsed(): boolean {
    return this.#platform === undefined ? this.#used : this.#platform.bodyUsed
  }

  text(): Promise<string> {
    if (this.#platform !== undefined) return this.#platform.text()
    return this.#readBody().then(decodeText)
  }

  json(): Promise<unknown> {
    if (this.#platform !== undefined) return this.#platform.json()
    return this.#readBody().then(decodeJson)
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    if (this.#platform !== undefined) return this.#platform.arrayBuffer()
    return this.#readBody().then(ownBuffer)
  }

  bytes(): Promise<Uint8Array> {
    if (this.#platform !== undefined) return this.#platform.bytes()
    return this.#readBody().then(ownBytes)
  }

  /** `null` for GET and HEAD, whose content means nothing (RFC 9110, section 9.3.1). */
  get #body(): BodySource | null {
    const { method, body } = this.#source
    return method === 'GET' || method === 'HEAD' ? null : body
  }

  #readBody(): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#used) return Promise.reject(bodyUnusable())
    const body = this.#body
    if (body === null) return Promise.resolve(new Uint8Array(0))
    this.#used = true
    return body.bytes()
  }

  #genuine(): Request {
    if (this.#platform !== undefined) return this.#platform
    const used = this.#used
    const headers = this.headers as FastHeaders
    const platform = new PlatformRequest(this.url, {
      method: this.method,
      headers: platformHeaders(headers),
      body: used ? new Uint8Array(0) : (this.#body?.stream() ?? null),
      duplex: 'half',
      // As a service worker's: who passes the request on passes on the redirect too.
      redirect: 'manual',
      signal: this.signal,
    })
    // What was read through the fast lane must count as read here too.
    if (used) void platform.body?.getReader().cancel()
    adoptHeaders(headers, platform.headers)
    this.#platform = platform
    return platform
  }

  static {
    const isIncoming = (value: unknown): value is IncomingRequest =>
      typeof value === 'object' && value !== null && #source in value
    const platformOf = (request: Request): Request =>
      isIncoming(request) ? request.#genuine() : request
    friends = {
      isIncoming,
      platformRequest: platformOf,
      sourceOf: request => request.#source,
      abortRequest: (request, reason = new DOMException('Aborted', 'AbortError')) => {
        request.#abortListener?.(reason)
        if (request.#controller === undefined) request.#abortReason ??= reason
        else request.#controller.abort(reason)
      },
      onRequestAbort: (request, listener) => {
        request.#abortListener = listener
        const aborted = request.#abortReason ?? request.#controller?.signal.reason
        if (aborted !== undefined) return listener(aborted)
        request.#source.onAbort(() => {
          request.#abortListener?.(new DOMException('The client has left', 'AbortError'))
        })
      },
    }
    delegate(IncomingRequest.prototype, PlatformRequest.prototype, self => platformOf(self))
  }
}

/** Whether `value` is an {@link IncomingRequest}. */
export const isIncoming = friends.isIncoming

/**
 * A genuine platform Request of `request`, for code that holds it against the platform's own
 * classes. Shares the body: reading one is reading the other.
 */
export const platformRequest = friends.platformRequest

/** What `request` was made from. */
export const sourceOf = friends.sourceOf

/**
 * Aborts `request.signal`, now or as soon as someone reads it; the first reason stays.
 *
 * @param reason an AbortError by default
 */
export const abortRequest = friends.abortRequest

/**
 * Calls `listener` when the request is aborted and when its client leaves, at once if it is aborted
 * already: what `signal` tells, without the cost of one. Unlike that it tells of both: a client may
 * leave before the deadline passes. For one listener; a second replaces it.
 */
export const onRequestAbort = friends.onRequestAbort

/** Whether the client of `request` has left before its response was complete. */
export function hasLeft(request: IncomingRequest): boolean {
  let left = false
  sourceOf(request).onAbort(() => {
    left = true
  })
  return left
}

/**
 * `request` itself when it is an {@link IncomingRequest}, else one around it: how a platform
 * Request enters `server.fetch()`.
 *
 * @throws TypeError when its body was read or its URL is not http(s)
 */
export function toIncoming(request: Request): IncomingRequest {
  return isIncoming(request) ? request : new IncomingRequest(new PlatformSource(request))
}

/** Path of `request`, without the query. */
export function pathOf(request: IncomingRequest): string {
  const { target } = sourceOf(request)
  const query = target.indexOf('?')
  return query === -1 ? target : target.slice(0, query)
}

/** Value of a header as received, several combined; `lowerCaseName` is not checked. */
export function headerOf(request: IncomingRequest, lowerCaseName: string): string | undefined {
  return findField(sourceOf(request).rawHeaders, lowerCaseName)
}
