import { isConnectionField } from './fields.ts'
import { FunctionRequest, followedSignal } from './request.ts'
import { FastResponse, withState } from './response.ts'
import { stateFrom } from './response-state.ts'

const platformFetch = globalThis.fetch

// Fetch sets these itself (its forbidden request-headers); undici sends what it is given, so the
// Host, the framing and the connection of the request that came in would go out with
// `fetch(new Request(upstream, request))`.
const FETCH_SETS = ['content-length', 'expect', 'host']

/** `fetch` that takes a request as it came in, and answers with this package's Response. */
async function functionFetch(
  input: string | URL | Request,
  init?: RequestInit,
): Promise<FastResponse> {
  const request = new FunctionRequest(input, init)
  for (const name of [...request.headers.keys()]) {
    if (isConnectionField(name) || FETCH_SETS.includes(name)) request.headers.delete(name)
  }
  const signal = followedSignal(request)
  const { referrer, referrerPolicy } = request
  // Any init takes the referrer away (Fetch, "new Request", step 13).
  const following = signal === undefined ? undefined : { signal, referrer, referrerPolicy }
  return withState(stateFrom(await platformFetch(request, following)))
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
