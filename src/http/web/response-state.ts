import { Readable } from 'node:stream'
import { rememberedLength } from './body-length.ts'
import { type FieldList, fieldsOf, hasField, isFieldValue, lowerName } from './fields.ts'
import { currentFields, type FastHeaders, isFastHeaders } from './headers.ts'

const PlatformHeaders = globalThis.Headers

/** What `new Response` takes as a body. */
export type BodyInit = ConstructorParameters<typeof Response>[0] | ReadableStream | null

/** A body as a listener gets it. */
export type OutgoingBody = string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null

/** A response as a listener sends it. */
export interface Outgoing {
  readonly status: number
  /** Empty: the listener's own phrase for the status. */
  readonly statusText: string
  /**
   * Name, value, name, value, ...; names in lower case, several Set-Cookie one after the other.
   * `content-length` is there, and true, when `body` is a string or bytes. With a stream it is
   * there only when its length is known: it came off the network under that length, or was made
   * of text or bytes. Without a body it is what the function says (an answer to HEAD), else absent.
   */
  readonly headers: string[]
  readonly body: OutgoingBody
}

/** What is behind a fast Response; also its {@link Outgoing}, to spare the listener's request one. */
export class ResponseState implements Outgoing {
  status = 200
  statusText = ''
  /** Fields as constructed; what counts is {@link fieldsNow}. Names in lower case. */
  headers: string[] = []
  /** Not to be read while there is a `platform`. */
  body: OutgoingBody = null
  /** A listener has taken the body. */
  used = false
  /** It is the answer to a request. */
  claimed = false
  /** Of a streaming body, when it is known. */
  length: string | undefined
  /** What `response.headers` has returned. */
  view: FastHeaders | undefined
  /** The platform Response that has the body from when it was first needed. */
  platform: Response | undefined
}

/** The fields of `state` as they are now. @throws TypeError for a value that cannot be sent */
export function fieldsNow(state: ResponseState): FieldList {
  return state.view === undefined ? state.headers : currentFields(state.view)
}

/** Whether `stream` was read from or cancelled. */
export function isDisturbed(stream: ReadableStream): boolean {
  // The types know only Node's own streams here; web streams are documented.
  return Readable.isDisturbed(stream as unknown as Readable)
}

/** Whether `stream` can still be read from its start. */
export function isFresh(stream: ReadableStream): boolean {
  return !stream.locked && !isDisturbed(stream)
}

/**
 * State of `new Response(body, init)` without a platform Response; undefined for anything unusual,
 * wrong values included: the platform's constructor decides on those.
 *
 * @param contentType of a string body whose init names none
 */
export function compose(
  body: unknown,
  init: ResponseInit | null | undefined,
  contentType: string,
): ResponseState | undefined {
  const state = new ResponseState()
  if (typeof body === 'string') state.body = body
  else if (body !== null && body !== undefined && !takeObject(state, body)) return undefined
  if (init !== null && init !== undefined && !takeInit(state, init)) return undefined
  if (state.body !== null && allowsNoBody(state.status)) {
    // Fetch refuses it, but workerd does not, and modules written for that say so.
    if (state.body !== '') return undefined
    state.body = null
  }
  if (typeof state.body === 'string' && !hasField(state.headers, 'content-type')) {
    state.headers.push('content-type', contentType)
  }
  return state
}

function allowsNoBody(status: number): boolean {
  return status === 204 || status === 205 || status === 304
}

function takeObject(state: ResponseState, body: unknown): boolean {
  if (body instanceof ReadableStream) {
    state.body = body
    state.length = rememberedLength(body)
    return isFresh(body)
  }
  if (ArrayBuffer.isView(body)) {
    if (!(body.buffer instanceof ArrayBuffer) || body.buffer.detached) return false
    // Copied, as Fetch demands: the function may go on writing into its own buffer. (A Buffer,
    // for its pool; nobody but the listener ever holds it.)
    state.body = Buffer.from(new Uint8Array(body.buffer, body.byteOffset, body.byteLength))
    return true
  }
  if (body instanceof ArrayBuffer && !body.detached) {
    state.body = Buffer.from(new Uint8Array(body))
    return true
  }
  return false
}

function takeInit(state: ResponseState, init: ResponseInit): boolean {
  if (typeof init !== 'object') return false
  const { status, statusText, headers } = init
  if (status !== undefined) {
    if (!Number.isInteger(status) || status < 200 || status > 599) return false
    state.status = status
  }
  if (statusText !== undefined && statusText !== '') {
    if (typeof statusText !== 'string' || !isFieldValue(statusText)) return false
    state.statusText = statusText
  }
  return headers === undefined || takeHeaders(state.headers, headers)
}

function takeHeaders(fields: string[], headers: NonNullable<ResponseInit['headers']>): boolean {
  if (typeof headers !== 'object' || headers === null) return false
  // Records first: they are what most functions give, and the tests for the others cost more.
  if (Object.getPrototypeOf(headers) === Object.prototype && !(Symbol.iterator in headers)) {
    const record = headers as Record<string, unknown>
    for (const name of Object.keys(record)) {
      if (!append(fields, name, record[name])) return false
    }
    return true
  }
  if (isFastHeaders(headers)) {
    const from = currentFields(headers)
    for (let at = 0; at < from.length; at += 2) {
      if (!append(fields, from[at], from[at + 1])) return false
    }
    return true
  }
  if (!Array.isArray(headers) && !(headers instanceof PlatformHeaders)) return false
  for (const pair of headers) {
    if (!Array.isArray(pair) || pair.length !== 2) return false
    if (!append(fields, pair[0], pair[1])) return false
  }
  return true
}

function append(fields: string[], name: unknown, value: unknown): boolean {
  if (typeof name !== 'string' || typeof value !== 'string') return false
  const lower = lowerName(name)
  if (lower === undefined || !isFieldValue(value)) return false
  fields.push(lower, value)
  return true
}

const CODINGS: ReadonlySet<string> = new Set(['gzip', 'x-gzip', 'deflate', 'br', 'zstd'])

/**
 * State of a response that has a platform Response behind it.
 *
 * What `fetch` gives has its content decoded, and the headers of the encoded one. They would be
 * wrong for whoever gets that body next, so Content-Encoding and Content-Length are left out (as
 * Deno does); codings that fetch does not know it also does not decode.
 *
 * @throws TypeError for a header that cannot be sent
 */
export function stateFrom(platform: Response): ResponseState {
  const state = new ResponseState()
  state.status = platform.status
  state.statusText = platform.statusText
  state.platform = platform
  state.headers = fieldsOf(platform.headers)
  if (platform.url === '' || platform.body === null) return state
  const encoding = platform.headers.get('content-encoding')
  if (encoding?.split(',').every(coding => CODINGS.has(coding.trim().toLowerCase()))) {
    const undecoded = new PlatformHeaders(platform.headers)
    undecoded.delete('content-encoding')
    undecoded.delete('content-length')
    state.headers = fieldsOf(undecoded)
  } else {
    state.length = platform.headers.get('content-length') ?? undefined
  }
  return state
}
