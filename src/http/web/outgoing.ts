import { FezzError } from '../../errors.ts'
import { bodyUnusable } from './body.ts'
import { endToEndFields, isConnectionField, setField } from './fields.ts'
import { type FastResponse, isFast, stateOf, withState } from './response.ts'
import {
  fieldsNow,
  isFresh,
  type Outgoing,
  type OutgoingBody,
  ResponseState,
  stateFrom,
} from './response-state.ts'
import { settling } from './settling.ts'

/**
 * What a function returned, as a response that can be sent. One without a body may be returned
 * again and again, so each time has a copy with headers of its own.
 *
 * @throws FezzError `FUNCTION_ERROR` when `value` is no Response, a network error, or one whose
 * body was already read
 */
export function adoptResponse(value: unknown): FastResponse {
  const response = isFast(value) ? value : wrapPlatform(value)
  const state = stateOf(response)
  const body = bodyOf(state)
  if (body === null) return bodiless(state)
  if (state.used || (body instanceof ReadableStream && !isFresh(body))) {
    throw new FezzError('FUNCTION_ERROR', 'returned a Response whose body was already read')
  }
  return response
}

/**
 * {@link adoptResponse}, for one request alone: a response with a body cannot answer two.
 *
 * @throws FezzError `FUNCTION_ERROR` as above, and when another request has it already
 */
export function claimResponse(value: unknown): FastResponse {
  const response = adoptResponse(value)
  const state = stateOf(response)
  if (state.claimed) {
    throw new FezzError('FUNCTION_ERROR', 'returned a Response that answers another request')
  }
  state.claimed = true
  return response
}

function wrapPlatform(value: unknown): FastResponse {
  if (!(value instanceof Response)) {
    throw new FezzError('FUNCTION_ERROR', `returned ${nameOf(value)}, not a Response`)
  }
  if (value.type === 'error') {
    throw new FezzError('FUNCTION_ERROR', 'returned Response.error(), which cannot be sent')
  }
  try {
    return withState(stateFrom(value))
  } catch (cause) {
    throw new FezzError('FUNCTION_ERROR', 'returned a Response that cannot be sent', { cause })
  }
}

function nameOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value !== 'object') return `a ${typeof value}`
  const name = value.constructor?.name ?? 'null'
  return name === 'Response' ? 'a Response of another library' : `an object of class ${name}`
}

function bodiless(state: ResponseState): FastResponse {
  const copy = new ResponseState()
  copy.status = state.status
  copy.statusText = state.statusText
  copy.headers = [...fieldsNow(state)]
  return withState(copy)
}

function bodyOf(state: ResponseState): OutgoingBody {
  return state.platform === undefined ? state.body : state.platform.body
}

/** Sets a header, in place of what the function set; `lowerName` and `value` are not checked. */
export function setHeader(response: FastResponse, lowerName: string, value: string): void {
  setField(ownFields(stateOf(response)), lowerName, value)
}

// The function may still hold the view of the headers, and keeps what it has.
function ownFields(state: ResponseState): string[] {
  if (state.view !== undefined) {
    state.headers = [...fieldsNow(state)]
    state.view = undefined
  }
  return state.headers
}

/** Whether the body is a stream: neither in memory nor absent. */
export function isStreaming(response: FastResponse): boolean {
  return bodyOf(stateOf(response)) instanceof ReadableStream
}

/**
 * Calls `callback` once, when the streaming body of `response` has been read to its end, has
 * failed or was cancelled, whoever reads it. Never for a body that is not streaming, or that
 * nobody reads.
 *
 * @throws TypeError when somebody holds the stream's lock
 */
export function onBodySettled(response: FastResponse, callback: () => void): void {
  const state = stateOf(response)
  const body = bodyOf(state)
  if (!(body instanceof ReadableStream)) return
  state.body = settling(body, callback)
  state.platform = undefined
}

/**
 * The response as it is to be sent; its body counts as read from now on. Without the fields of
 * the connection (RFC 9110, section 7.6.1), and with a Content-Length that is true or none.
 *
 * @throws TypeError when the body was already read, or a header cannot be sent
 */
export function takeOutgoing(response: FastResponse): Outgoing {
  const state = stateOf(response)
  const body = bodyOf(state)
  if (state.used || (body instanceof ReadableStream && !isFresh(body))) throw bodyUnusable()
  state.used = body !== null
  state.body = body
  state.headers = sendable(ownFields(state), body !== null)
  if (typeof body === 'string') {
    state.headers.push('content-length', String(Buffer.byteLength(body)))
  } else if (body instanceof Uint8Array) {
    state.headers.push('content-length', String(body.byteLength))
  } else if (body !== null && state.length !== undefined) {
    state.headers.push('content-length', state.length)
  }
  return state
}

function sendable(fields: string[], hasBody: boolean): string[] {
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]!
    if (isConnectionField(name) || (hasBody && name === 'content-length')) {
      return endToEndFields(fields, hasBody ? ['content-length'] : [])
    }
  }
  return fields
}
