import { delegate, passFor } from './delegate.ts'
import { IncomingRequest, platformRequest } from './incoming-request.ts'

const PlatformRequest: typeof globalThis.Request = globalThis.Request

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
    this.#followed = followedSignal(input, init)
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
 * The signal that decides about a request of these arguments: the one that function code gave, or
 * that of the request that came in, whatever was made of that since. The platform's requests hold
 * each other's signals weakly, so that an abort would end at the first one that nobody holds any more.
 */
export function followedSignal(
  input: unknown,
  init: RequestInit | null | undefined,
): AbortSignal | undefined {
  if (isRequest(init)) return signalOf(init)
  if (init?.signal !== undefined) return init.signal ?? undefined
  return isRequest(input) ? signalOf(input) : undefined
}

/** Whether `value` is a Request, of the platform or one that came in. */
export function isRequest(value: unknown): value is Request {
  return value instanceof PlatformRequest
}

/**
 * `init` with `duplex` where its body is a stream. Fetch demands it, and what it demands is the only
 * value there is; workerd does not, so `{ method, headers, body } = request` has to be enough.
 */
export function withDuplex<Init extends RequestInit | null | undefined>(init: Init): Init {
  if (typeof init !== 'object' || init === null || 'duplex' in init) return init
  return init.body instanceof ReadableStream ? withMembers(init, { duplex: 'half' }) : init
}

/** `init` with some of its members replaced; not a copy: members may be inherited, and private. */
export function withMembers<Init extends object>(init: Init, members: RequestInit): Init {
  return new Proxy(init, {
    get: (target, key) => Reflect.get(Object.hasOwn(members, key) ? members : target, key),
  })
}
