import { delegate, passFor } from './delegate.ts'
import { IncomingRequest, platformRequest } from './incoming-request.ts'

const PlatformRequest = globalThis.Request

// Sees the private member; the static block of the class makes it.
let signalOf!: (request: Request) => AbortSignal | undefined

/**
 * The Request that function code sees. Unlike the platform's, whose constructor knows its own objects
 * by their private members, it takes an {@link IncomingRequest} too, and a stream without `duplex`.
 * What it makes is a genuine platform Request, fit for whatever wants one.
 */
export class FunctionRequest extends PlatformRequest {
  readonly #followed: AbortSignal | undefined

  constructor(input: string | URL | Request, init?: RequestInit) {
    super(isRequest(input) ? platformRequest(input) : input, withDuplex(init))
    if (isRequest(init)) this.#followed = signalOf(init)
    else if (init?.signal !== undefined) this.#followed = init.signal ?? undefined
    else if (isRequest(input)) this.#followed = signalOf(input)
  }

  static {
    signalOf = request =>
      #followed in request ? (request as FunctionRequest).#followed : request.signal
    delegate(FunctionRequest.prototype, PlatformRequest.prototype, platformRequest)
    passFor(FunctionRequest, PlatformRequest)
    // One class to function code: that of the requests that come in, and of those that it makes.
    Object.setPrototypeOf(IncomingRequest.prototype, FunctionRequest.prototype)
    Object.defineProperty(IncomingRequest.prototype, 'constructor', { value: FunctionRequest })
  }
}

/**
 * The signal that decides about `request`: the one that function code gave it, or that of the
 * request that came in, whatever was made of that since. The platform's requests hold each other's
 * signals weakly, so that an abort would end at the first one that nobody holds any more.
 */
export const followedSignal = signalOf

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
