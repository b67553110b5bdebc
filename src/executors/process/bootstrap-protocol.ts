import { FezzError } from '../../errors.ts'
import type { FunctionContext } from '../../function/contract.ts'
import { type IncomingRequest, pathOf, sourceOf } from '../../http/web/incoming-request.ts'
import { FastResponse } from '../../http/web/response.ts'

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A value, or several of the same name in their order. */
type Multiple = Record<string, string | string[]>

/** What a program finds on its standard input: one JSON object. */
export async function bootstrapInput(
  request: IncomingRequest,
  { params, requestId, clientAddress, traceparent }: FunctionContext,
): Promise<string> {
  const { method, url } = request
  const { rawHeaders } = sourceOf(request)
  const bytes = await request.bytes()
  return JSON.stringify({
    method,
    url,
    path: pathOf(request),
    query: multiple(new URL(url).searchParams),
    headers: multiple(pairs(rawHeaders)),
    params,
    requestId,
    clientAddress,
    traceparent,
    ...bodyOf(bytes),
  })
}

/**
 * The response that the output of a program stands for: `{status, headers, body, isBase64}`, of
 * which `status` makes it one; other JSON and other text as what they are.
 *
 * @throws FezzError `FUNCTION_ERROR` when it looks like a response and is none
 */
export function bootstrapResponse(output: Buffer): Response {
  let text: string
  try {
    text = strictUtf8.decode(output)
  } catch {
    return new FastResponse(new Uint8Array(output), {
      headers: { 'content-type': 'application/octet-stream' },
    })
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return new FastResponse(text)
  }
  if (!isResponse(value)) {
    return new FastResponse(text, { headers: { 'content-type': 'application/json' } })
  }
  try {
    return responseOf(value)
  } catch (cause) {
    throw new FezzError('FUNCTION_ERROR', 'the program wrote a response that cannot be sent', {
      cause,
    })
  }
}

function bodyOf(bytes: Uint8Array): { body: string; isBase64: boolean } {
  try {
    return { body: strictUtf8.decode(bytes), isBase64: false }
  } catch {
    return { body: Buffer.from(bytes).toString('base64'), isBase64: true }
  }
}

function* pairs(rawHeaders: readonly string[]): Generator<[string, string]> {
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    yield [(rawHeaders[at] as string).toLowerCase(), rawHeaders[at + 1] as string]
  }
}

/** Without a prototype: names come from the client. */
function multiple(entries: Iterable<[string, string]>): Multiple {
  const found: Multiple = Object.create(null)
  for (const [name, value] of entries) {
    const before = found[name]
    if (before === undefined) found[name] = value
    else if (typeof before === 'string') found[name] = [before, value]
    else before.push(value)
  }
  return found
}

interface WrittenResponse {
  readonly status: number
  readonly headers?: unknown
  readonly body?: unknown
  readonly isBase64?: boolean
}

function isResponse(value: unknown): value is WrittenResponse {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return typeof (value as WrittenResponse).status === 'number'
}

/** A value, or several, by name; anything else would be a header called `0`, or `[object Object]`. */
function fieldsOf(headers: unknown): [string, string][] {
  if (typeof headers !== 'object' || Array.isArray(headers)) {
    throw new TypeError('"headers" is not an object with values by name')
  }
  return Object.entries(headers as object).flatMap(([name, values]) =>
    [values].flat().map((value): [string, string] => {
      if (typeof value === 'object') throw new TypeError(`the header "${name}" is not text`)
      return [name, String(value)]
    }),
  )
}

function responseOf({ status, headers, body, isBase64 }: WrittenResponse): Response {
  const fields = fieldsOf(headers ?? {})
  if (body === undefined || body === null)
    return new FastResponse(null, { status, headers: fields })
  if (isBase64 === true) {
    return new FastResponse(new Uint8Array(Buffer.from(String(body), 'base64')), {
      status,
      headers: fields,
    })
  }
  if (typeof body === 'string') return new FastResponse(body, { status, headers: fields })
  if (!fields.some(([name]) => name.toLowerCase() === 'content-type')) {
    fields.push(['content-type', 'application/json'])
  }
  return new FastResponse(JSON.stringify(body), { status, headers: fields })
}
