import { Client, type ClientDuplexStream, credentials } from '@grpc/grpc-js'
import { decode, encode } from '../../src/xds/codec.ts'
import { type ResourceKind, TYPE_NAMES } from '../../src/xds/resource.ts'

const PACKAGE = 'envoy.service.discovery.v3'
const SERVICE = `/${PACKAGE}.AggregatedDiscoveryService`
const WAIT_MS = 5_000

/** A response of the state of the world. */
export interface SotwResponse {
  readonly version_info: string
  readonly nonce: string
  readonly type_url: string
  readonly resources: readonly { readonly value: Buffer }[]
}

/** A response that holds what has changed. */
export interface DeltaResponse {
  readonly nonce: string
  readonly type_url: string
  readonly resources: readonly { readonly name: string; readonly version: string }[]
  readonly removed_resources: readonly string[]
}

/** One stream to an xDS server, over real gRPC; responses are kept until they are taken. */
export class AdsClient<Response extends { readonly type_url: string }> implements Disposable {
  readonly #client: Client
  readonly #call: ClientDuplexStream<Buffer, Buffer>
  readonly #requestType: string
  readonly #inbox: Response[] = []
  #wake = () => {}
  /** Resolves with the error that ended the stream, or with nothing when the server ended it. */
  readonly ended: Promise<Error | undefined>

  private constructor(port: number, method: string, requestType: string, responseType: string) {
    const bytes = (value: Buffer) => value
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
    this.#requestType = requestType
    this.#call = this.#client.makeBidiStreamRequest(`${SERVICE}/${method}`, bytes, bytes)
    this.#call.on('data', (message: Buffer) => {
      this.#inbox.push(decode<Response>(responseType, message))
      this.#wake()
    })
    this.ended = new Promise(resolve => {
      this.#call.on('error', resolve)
      this.#call.on('end', () => resolve(undefined))
    })
  }

  static sotw(port: number): AdsClient<SotwResponse> {
    const types = [`${PACKAGE}.DiscoveryRequest`, `${PACKAGE}.DiscoveryResponse`] as const
    return new AdsClient(port, 'StreamAggregatedResources', ...types)
  }

  static delta(port: number): AdsClient<DeltaResponse> {
    const types = [`${PACKAGE}.DeltaDiscoveryRequest`, `${PACKAGE}.DeltaDiscoveryResponse`] as const
    return new AdsClient(port, 'DeltaAggregatedResources', ...types)
  }

  send(kind: ResourceKind, fields: Readonly<Record<string, unknown>> = {}): void {
    const type_url = `type.googleapis.com/${TYPE_NAMES[kind]}`
    const message = { node: { id: 'test' }, type_url, ...fields }
    this.sendBytes(encode(this.#requestType, message))
  }

  sendBytes(bytes: Uint8Array): void {
    this.#call.write(Buffer.from(bytes))
  }

  /** The next response; it has to be of that kind. */
  async next(kind: ResourceKind): Promise<Response> {
    const deadline = Date.now() + WAIT_MS
    while (this.#inbox.length === 0) {
      const left = deadline - Date.now()
      if (left <= 0) throw new Error(`no ${kind} came`)
      let timer: NodeJS.Timeout | undefined
      await new Promise<void>(resolve => {
        this.#wake = resolve
        timer = setTimeout(resolve, left)
      })
      clearTimeout(timer)
    }
    const response = this.#inbox.shift()!
    if (!response.type_url.endsWith(TYPE_NAMES[kind])) {
      throw new Error(`${response.type_url} came before ${kind}`)
    }
    return response
  }

  /** What has come and was not taken. */
  get pending(): number {
    return this.#inbox.length
  }

  [Symbol.dispose](): void {
    this.#call.on('error', () => {})
    this.#call.cancel()
    this.#client.close()
  }
}
