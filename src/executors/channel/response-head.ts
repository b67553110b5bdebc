import { isFieldValue, lowerName } from '../../http/web/fields.ts'
import { ResponseState } from '../../http/web/response-state.ts'
import type { ResponseMessage } from './messages.ts'

/**
 * The response that a message tells of, body included when that is whole. A function that shares its
 * process with the runner can write messages of its own, so that nothing in them is taken on trust.
 *
 * @throws TypeError for one that no Response can be
 */
export function responseFrom(message: ResponseMessage): ResponseState {
  const { status, statusText, headers, body, stream } = message
  const isSound =
    Number.isInteger(status) &&
    status >= 200 &&
    status <= 599 &&
    isText(statusText) &&
    isFieldList(headers) &&
    (body === null || typeof body === 'string' || body instanceof Uint8Array) &&
    (stream?.length === undefined || (isText(stream.length) && /^\d+$/.test(stream.length)))
  if (!isSound) throw new TypeError('a runner told of a response that cannot be')
  const state = new ResponseState()
  state.status = status
  state.statusText = statusText
  state.headers = headers as string[]
  state.body = body
  state.length = stream?.length
  return state
}

/** Whether these are names in lower case and values that can be sent. */
function isFieldList(fields: readonly string[]): boolean {
  if (!Array.isArray(fields) || fields.length % 2 !== 0) return false
  for (let at = 0; at < fields.length; at += 2) {
    if (lowerName(fields[at]!) !== fields[at] || !isText(fields[at + 1])) return false
  }
  return true
}

/** A number, a list or an error would pass for a value, and fail whoever sends it. */
function isText(value: unknown): value is string {
  return typeof value === 'string' && isFieldValue(value)
}
