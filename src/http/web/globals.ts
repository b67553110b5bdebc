import { isConnectionField } from './fields.ts'
import { platformRequest } from './incoming-request.ts'
import { FunctionRequest, followedSignal, isRequest, withDuplex, withMembers } from './request.ts'
import { FastResponse, withState } from './response.ts'
import { stateFrom } from './response-state.ts'

const platformFetch = globalThis.fetch

// Fetch sets these itself (its forbidden request-headers); undici sends what it is given, so the
// Host, the framing and the connection of the request that came in would go out with
// `fetch(new Request(upstream, request))`.
const FETCH_SETS = ['content-length', 'expect', 'host']

// An init takes the referrer of the request away (Fetch, "new Request", step 13), and so would ours.
function initOf(request: Request | undefined, init: RequestInit | null | undefined): RequestInit {
  if (init !== undefined && init !== null) return withDuplex(init)
  if (request === undefined) return {}
  const { referrer, referrerPolicy } = request
  return { referrer, referrerPolicy }
}

/** `fetch` that takes a request as it came in, and answers with this package's Response. */
async function functionFetch(
  input: string | URL | Request,
  init?: RequestInit,
): Promise<FastResponse> {
  const request = isRequest(input) ? input : undefined
  const named = init?.headers
  const headers = new Headers(named === undefined ? request?.headers : named)
  for (const name of [...headers.keys()]) {
    if (isConnectionField(name) || FETCH_SETS.includes(name)) headers.delete(name)
  }
  const signal = followedSignal(input, init) ?? null
  const genuine = request === undefined ? input : platformRequest(request)
  const fetched = await platformFetch(
    genuine,
    withMembers(initOf(request, init), { headers, signal }),
  )
  return withState(stateFrom(fetched))
}
Object.defineProperties(functionFetch, { name: { value: 'fetch' }, length: { value: 1 } })

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
