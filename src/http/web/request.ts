import { delegate, passFor } from './delegate.ts'
import { IncomingRequest, platformRequest } from './incoming-request.ts'

const PlatformRequest = globalThis.Request

/**
 * The Request that function code sees. Unlike the platform's, whose constructor knows its own objects
 * by their private members, it takes an {@link IncomingRequest} too, and a stream without `duplex`.
 * What it makes is a genuine platform Request, fit for whatever wants one.
 */
export class FunctionRequest extends PlatformRequest {
  constructor(input: string | URL | Request, init?: RequestInit) {
    super(isRequest(input) ? platformRequest(input) : input, withDuplex(init))
  }

  static {
    delegate(FunctionRequest.prototype, PlatformRequest.prototype, platformRequest)
    passFor(FunctionRequest, PlatformRequest)
    // One class to function code: that of the requests that come in, and of those that it makes.
    Object.setPrototypeOf(IncomingRequest.prototype, FunctionRequest.prototype)
    Object.defineProperty(IncomingRequest.prototype, 'constructor', { value: FunctionRequest })
  }
}

function isRequest(value: unknown): value is Request {
  return value instanceof PlatformRequest
}

/**
 * `init` with `duplex` where its body is a stream. Fetch demands it, and what it demands is the only
 * value there is; workerd does not, so `{ method, headers, body } = request` has to be enough.
 */
function withDuplex(init: RequestInit | undefined): RequestInit | undefined {
  if (typeof init !== 'object' || init === null || 'duplex' in init) return init
  if (!(init.body instanceof ReadableStream)) return init
  // Not a copy: members may be inherited, and getters may want `init` itself.
  return new Proxy<RequestInit>(init, {
    get: (target, key) => (key === 'duplex' ? 'half' : Reflect.get(target, key)),
  })
}
