import {
  Server as GrpcServer,
  type Server,
  ServerCredentials,
  type ServerDuplexStream,
  status,
} from '@grpc/grpc-js'
import type { ListenerAddress } from '../http/listener.ts'
import type { Variant } from './discovery.ts'

const SERVICE = '/envoy.service.discovery.v3.AggregatedDiscoveryService'

/** A dead client is noticed within keepalive time and timeout. */
const OPTIONS = {
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  // A client may ask as often that we are there; the library's limit would cut it off (GOAWAY).
  'grpc.http2.min_ping_interval_without_data_ms': 5_000,
  'grpc.keepalive_permit_without_calls': 1,
} as const

type Call = ServerDuplexStream<Uint8Array, Uint8Array>

/** What is told of one stream. */
export interface StreamHandler {
  /** @throws Error when the bytes are no request: the stream ends with INVALID_ARGUMENT */
  receive(bytes: Uint8Array): void
  /** It is over, for whatever reason. Called once. */
  end(): void
}

/** Makes the handler of a stream that a client has opened. */
export type StreamOpener = (
  variant: Variant,
  peer: string,
  send: (bytes: Uint8Array) => void,
) => StreamHandler

/** gRPC streams of bytes for the two methods of the aggregated discovery service. */
export class GrpcTransport {
  readonly #server: Server
  readonly #calls = new Set<Call>()

  constructor(open: StreamOpener) {
    this.#server = new GrpcServer(OPTIONS)
    this.#server.addService(
      { sotw: method('StreamAggregatedResources'), delta: method('DeltaAggregatedResources') },
      {
        sotw: (call: Call) => this.#serve('sotw', call, open),
        delta: (call: Call) => this.#serve('delta', call, open),
      },
    )
  }

  /** @param port 0 takes a free one */
  listen(host: string, port: number): Promise<ListenerAddress> {
    const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(authority, ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) resolve({ host, port: bound })
        else reject(error)
      })
    })
  }

  /** Ends all streams; clients come back to whoever takes its place. */
  close(): void {
    for (const call of this.#calls) call.end()
    this.#server.forceShutdown()
  }

  #serve(variant: Variant, call: Call, open: StreamOpener): void {
    const handler = open(variant, call.getPeer(), bytes => {
      if (!call.cancelled && !call.destroyed) call.write(bytes)
    })
    const end = () => {
      if (this.#calls.delete(call)) handler.end()
    }
    this.#calls.add(call)
    call.on('data', (bytes: Uint8Array) => {
      try {
        handler.receive(bytes)
      } catch (error) {
        end()
        call.emit('error', { code: status.INVALID_ARGUMENT, details: (error as Error).message })
      }
    })
    call.on('end', () => {
      end()
      call.end()
    })
    call.on('cancelled', end)
    call.on('close', end)
    call.on('error', end)
  }
}

function method(name: string) {
  const bytes = (value: Uint8Array) => Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  return {
    path: `${SERVICE}/${name}`,
    requestStream: true,
    responseStream: true,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  }
}
