import { lengthOf, rememberLength } from './body-length.ts'
import { delegate, passFor } from './delegate.ts'
import { hasField } from './fields.ts'
import { adoptHeaders, FastHeaders, FixedHeaders } from './headers.ts'
import {
  type BodyInit,
  compose,
  fieldsNow,
  isDisturbed,
  isFresh,
  ResponseState,
  stateFrom,
} from './response-state.ts'

const PlatformResponse = globalThis.Response

// Functions that see the private members; the static block of the class makes them.
let friends!: {
  isFast(value: unknown): value is FastResponse
  stateOf(response: FastResponse): ResponseState
}

export interface FastResponse extends Response {}

/**
 * The Response that function code sees. Text, bytes, a stream or nothing, with a status and
 * headers, goes to the listener as it is; for whatever is rarer there is a platform Response
 * behind, which also words the errors.
 *
 * Differs from Fetch in one point: a control character in a header value is refused, since it
 * cannot be sent (RFC 9110, section 5.5).
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: delegate() adds the other members
export class FastResponse {
  readonly #state: ResponseState

  /**
   * @throws RangeError for a status outside 200 to 599
   * @throws TypeError for a header that cannot be sent, a status text with control characters, a
   * body with a status that allows none, a stream already in use
   */
  constructor(body?: BodyInit, init?: ResponseInit | null) {
    this.#state =
      body instanceof ResponseState
        ? body
        : (compose(body, init, 'text/plain;charset=UTF-8') ?? composeRare(body, init))
  }

  /** A network error. */
  static error(): Response {
    return PlatformResponse.error()
  }

  /** @throws TypeError for a value that JSON has no form for, such as undefined */
  static json(data: unknown, init?: ResponseInit): FastResponse {
    const text = JSON.stringify(data)
    const state = text === undefined ? undefined : compose(text, init, 'application/json')
    return withState(state ?? stateFrom(PlatformResponse.json(data, init)))
  }

  /** @param status 301, 302 (default), 303, 307 or 308 */
  static redirect(url: string | URL, status?: 301 | 302 | 303 | 307 | 308): Response {
    return PlatformResponse.redirect(url, status)
  }

  get status(): number {
    return this.#state.status
  }

  get ok(): boolean {
    return this.#state.status >= 200 && this.#state.status <= 299
  }

  get statusText(): string {
    return this.#state.statusText
  }

  get headers(): Headers {
    const state = this.#state
    if (state.view === undefined) state.view = viewOf(state)
    return state.view
  }

  get body(): ReadableStream | null {
    const { body, platform } = this.#state
    if (platform === undefined && (body === null || body instanceof ReadableStream)) return body
    const stream = genuine(this.#state).body
    const { length } = this.#state
    if (stream !== null && length !== undefined) rememberLength(stream, length)
    return stream
  }

  get bodyUsed(): boolean {
    const { body, platform, used } = this.#state
    if (used) return true
    if (platform !== undefined) return platform.bodyUsed
    return body instanceof ReadableStream && isDisturbed(body)
  }

  get type(): Response['type'] {
    return this.#state.platform?.type ?? 'default'
  }

  get url(): string {
    return this.#state.platform?.url ?? ''
  }

  get redirected(): boolean {
    return this.#state.platform?.redirected ?? false
  }

  clone(): Response {
    const state = this.#state
    const copy = isPlain(state) ? copyOf(state) : stateFrom(genuine(state).clone())
    copy.length = state.length
    copy.headers = [...fieldsNow(state)]
    return withState(copy)
  }

  static {
    friends = {
      isFast: (value): value is FastResponse =>
        typeof value === 'object' && value !== null && #state in value,
      stateOf: response => response.#state,
    }
    delegate(FastResponse.prototype, PlatformResponse.prototype, self =>
      #state in self ? genuine(self.#state) : self,
    )
    Object.setPrototypeOf(FastResponse, PlatformResponse)
    passFor(FastResponse, PlatformResponse)
  }
}

function composeRare(body: BodyInit, init: ResponseInit | null | undefined): ResponseState {
  const state = stateFrom(platformOf(body, init))
  state.length = lengthOf(body)
  return state
}

function platformOf(body: BodyInit, init: ResponseInit | null | undefined): Response {
  // The types leave out the nulls that the constructor takes.
  return new PlatformResponse(body as string, init as ResponseInit)
}

function isPlain(state: ResponseState): boolean {
  return state.platform === undefined && !state.used && !(state.body instanceof ReadableStream)
}

function copyOf(state: ResponseState): ResponseState {
  const copy = new ResponseState()
  copy.status = state.status
  copy.statusText = state.statusText
  copy.body = state.body
  return copy
}

function viewOf(state: ResponseState): FastHeaders {
  const { platform, headers, claimed } = state
  if (platform !== undefined && platform.type !== 'default') return new FixedHeaders(headers)
  const view = new FastHeaders(headers)
  // Not once it is an answer: the fields are the host's then, and more than the function's.
  if (platform !== undefined && !claimed) adoptHeaders(view, platform.headers)
  return view
}

function genuine(state: ResponseState): Response {
  if (state.platform !== undefined) return state.platform
  const { body, status, statusText } = state
  const spent = state.used || (body instanceof ReadableStream && !isFresh(body))
  const fields = fieldsNow(state)
  const headers: [string, string][] = []
  for (let at = 0; at < fields.length; at += 2) headers.push([fields[at]!, fields[at + 1]!])
  const platform = platformOf(spent ? new Uint8Array(0) : body, { status, statusText, headers })
  // The platform gives a text its type, even when the function has taken that away.
  if (!hasField(fields, 'content-type')) platform.headers.delete('content-type')
  // What a listener has taken must count as read here too.
  if (spent) void platform.body?.getReader().cancel()
  // For now: whoever has the stream may yet give it back.
  if (spent && !state.used) return platform
  if (!spent) state.length ??= lengthOf(body)
  if (state.view !== undefined) adoptHeaders(state.view, platform.headers)
  state.platform = platform
  return platform
}

/** A Response made of a state. */
export function withState(state: ResponseState): FastResponse {
  return new FastResponse(state as unknown as BodyInit)
}

/** Whether `value` is a {@link FastResponse}, and not a platform Response. */
export const isFast = friends.isFast

/** The state behind `response`. */
export const stateOf = friends.stateOf
