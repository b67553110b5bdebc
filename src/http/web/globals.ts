import { isConnectionField } from './fields.ts'
import { IncomingRequest, isIncoming, platformRequest } from './incoming-request.ts'
import { FastResponse, withState } from './response.ts'
import { stateFrom } from './response-state.ts'

const PlatformRequest = globalThis.Request
const platformFetch = globalThis.fetch

function genuineInput(input: unknown): unknown {
  return isIncoming(input) ? platformRequest(input) : input
}

/**
 * `init` with `duplex` where its body is a stream. Fetch demands it, and what it demands is the only
 * value there is; workerd does not, so `{ method, headers, body } = request` has to be enough.
 */
function duplexInit(init: unknown): unknown {
  if (typeof init !== 'object' || init === null || 'duplex' in init) return init
  return (init as RequestInit).body instanceof ReadableStream ? { ...init, duplex: 'half' } : init
}

// The platform's constructor knows its own objects by their private members.
const FunctionRequest = new Proxy(PlatformRequest, {
  construct: (target, [input, init], newTarget) =>
    Reflect.construct(target, [genuineInput(input), duplexInit(init)], newTarget),
})
Object.defineProperty(IncomingRequest.prototype, 'constructor', { value: FunctionRequest })

// Fetch sets these itself (its forbidden request-headers); undici sends what it is given, so the
// Host, the framing and the connection of the request that came in would go out with
// `fetch(new Request(upstream, request))`.
const FETCH_SETS = ['content-length', 'expect', 'host']

/** `fetch` that takes a request as it came in, and answers with this package's Response. */
async function functionFetch(
  input: string | URL | Request,
  init?: RequestInit,
): Promise<FastResponse> {
  const request = new PlatformRequest(
    genuineInput(input) as Request,
    duplexInit(init) as RequestInit,
  )
  for (const name of [...request.headers.keys()]) {
    if (isConnectionField(name) || FETCH_SETS.includes(name)) request.headers.delete(name)
  }
  return withState(stateFrom(await platformFetch(request)))
}
Object.defineProperty(functionFetch, 'name', { value: 'fetch' })

/** The names that function code sees in place of the platform's globals. */
export interface WebGlobals {
  readonly Request: typeof Request
  readonly Response: typeof Response
  readonly Headers: typeof Headers
  readonly fetch: typeof fetch
}

/** What shadows the globals of the same names in function code; nothing is patched globally. */
export const webGlobals: WebGlobals = {
  Request: FunctionRequest,
  Response: FastResponse as unknown as typeof Response,
  Headers: globalThis.Headers,
  fetch: functionFetch,
}
