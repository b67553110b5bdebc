import { fieldsOf, findField } from './fields.ts'
import type { BodySource, RequestSource } from './source.ts'

/** A platform Request as a {@link RequestSource}: for requests that come without a socket. */
export class PlatformSource implements RequestSource {
  readonly method: string
  readonly scheme: 'http' | 'https'
  readonly authority: string
  readonly target: string
  readonly rawHeaders: readonly string[]
  readonly requestId: string | undefined
  readonly clientAddress = ''
  readonly body: BodySource | null
  readonly #signal: AbortSignal

  /** @throws TypeError when the body was read or the URL is not http(s) */
  constructor(request: Request) {
    const url = new URL(request.url)
    if (url.protocol !== 'http:' && url.protocol !== 'https:') {
      throw new TypeError(`request.url ${request.url} is neither http nor https`)
    }
    const stream = request.body as ReadableStream<Uint8Array<ArrayBuffer>> | null
    if (request.bodyUsed || stream?.locked) {
      throw new TypeError('the body of this request was already read')
    }
    this.method = request.method
    this.scheme = url.protocol === 'http:' ? 'http' : 'https'
    this.authority = url.host
    this.target = url.pathname + url.search
    this.rawHeaders = fieldsOf(request.headers)
    this.requestId = findField(this.rawHeaders, 'x-request-id')
    this.body =
      stream === null
        ? null
        : {
            bytes: () => request.bytes() as Promise<Uint8Array<ArrayBuffer>>,
            stream: () => stream,
          }
    this.#signal = request.signal
  }

  onAbort(listener: () => void): void {
    if (this.#signal.aborted) listener()
    else this.#signal.addEventListener('abort', listener, { once: true })
  }
}
