import { randomUUID } from 'node:crypto'
import { isIP } from 'node:net'
import type { ConnectionPool } from 'etcd3/lib/connection-pool.js'
import { FezzError } from '../../errors.ts'
import { EtcdFailure, GRPC } from './failure.ts'
import type { StreamAnswers, UnaryAnswers } from './messages.ts'

/** TLS in PEM. Default: the authorities that Node knows, and no client certificate. */
export interface EtcdTls {
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
}

/** Headers of a call. */
export type CallHeaders = Readonly<Record<string, string>>

export interface StreamHandlers<T> {
  message(answer: T): void
  /** Called at most once, also when the other side ends the stream in good order. */
  failed(failure: EtcdFailure): void
}

/** Messages in both directions. */
export interface EtcdStream {
  write(message: object): void
  /** Ends it; no handler is called any more. Idempotent. */
  cancel(): void
}

interface RawStream {
  write(message: object): boolean
  cancel(): void
  on(event: 'data' | 'error' | 'end', listener: (value: unknown) => void): this
}

interface RawMetadata {
  clone(): RawMetadata
  set(name: string, value: string): void
}

type RawMethod = (...args: unknown[]) => unknown
type RawClient = Record<string, RawMethod> & {
  getChannel(): { getConnectivityState(connect: boolean): number }
}
type Service = 'KV' | 'Watch' | 'Lease' | 'Auth'

/** grpc-js `connectivityState.READY`; the number is the protocol's. */
const READY = 2

/** Room for a page of large values; etcd itself takes requests of up to 1.5 MB. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024

const CHANNEL_OPTIONS = {
  // etcd ends connections that ping more often than every 5 s, or without a call under way
  // (--grpc-keepalive-min-time): so no pings without calls.
  'grpc.keepalive_time_ms': 8_000,
  'grpc.keepalive_timeout_ms': 3_000,
  // Found again within about a second after an outage.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  'grpc.dns_min_time_between_resolutions_ms': 2_000,
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.service_config_disable_resolution': 1,
  // A proxy for the way out of the network is not the way to one's own etcd.
  'grpc.enable_http_proxy': 0,
} as const

/** etcd3's own retries and circuit breakers would hide outages. */
const NO_POLICY = { execute: (run: (context: object) => unknown) => run({}) }

/**
 * One connection to one server, through the clients that etcd3 makes of etcd's protocol. The only
 * file that knows etcd3, of which it uses nothing else: its watcher, its leases, its authentication
 * and its retries all lose errors.
 */
export class EtcdConnection {
  /** `http(s)://host:port` */
  readonly endpoint: string
  readonly #pool: ConnectionPool
  readonly #clients: Readonly<Record<Service, RawClient>>
  readonly #metadata: RawMetadata
  #streams = 0
  #retired = false

  private constructor(
    endpoint: string,
    pool: ConnectionPool,
    clients: Readonly<Record<Service, RawClient>>,
    metadata: RawMetadata,
  ) {
    this.endpoint = endpoint
    this.#pool = pool
    this.#clients = clients
    this.#metadata = metadata
  }

  /**
   * Does not connect yet: the first call does.
   *
   * @throws {FezzError} `STORE_UNAVAILABLE` when certificates or key cannot be used
   */
  static async create(endpoint: string, tls: EtcdTls | undefined): Promise<EtcdConnection> {
    const { ConnectionPool } = await import('etcd3/lib/connection-pool.js')
    const { protocol, hostname, port } = new URL(endpoint)
    const isSecure = protocol === 'https:'
    const options = {
      hosts: `${protocol}//${hostname}:${port || (isSecure ? 443 : 80)}`,
      ...(isSecure && tls !== undefined && { credentials: credentialsOf(tls) }),
      // grpc-js shares connections between channels of the same options, even one that is stuck.
      grpcOptions: { ...CHANNEL_OPTIONS, 'grpc.primary_user_agent': `fezz/${randomUUID()}` },
      faultHandling: { global: NO_POLICY, host: () => NO_POLICY },
    }
    let pool: ConnectionPool
    try {
      pool = new ConnectionPool(options as unknown as PoolOptions)
    } catch (cause) {
      const message = `TLS to ${endpoint}: certificates or key cannot be used: ${(cause as Error).message}; check that they are PEM and belong together`
      throw new FezzError('STORE_UNAVAILABLE', message, { cause })
    }
    if (isSecure && isIP(hostname.replace(/^\[|\]$/g, '')) !== 0) nameNoServer(pool)
    const client = (service: Service) =>
      pool.withConnection(service, args => args.client as unknown as RawClient)
    return new EtcdConnection(
      endpoint,
      pool,
      {
        KV: await client('KV'),
        Watch: await client('Watch'),
        Lease: await client('Lease'),
        Auth: await client('Auth'),
      },
      await pool.withConnection('KV', args => args.metadata as unknown as RawMetadata),
    )
  }

  /** Whether a call would be on its way at once. */
  get isConnected(): boolean {
    return this.#clients.KV.getChannel().getConnectivityState(false) === READY
  }

  /**
   * Calls `method`; `done` hears of the answer or of an {@link EtcdFailure}, never at once.
   *
   * @returns what cancels the call
   * @throws {EtcdFailure} when this connection has been closed
   */
  call<M extends keyof UnaryAnswers>(
    method: M,
    request: object,
    headers: CallHeaders,
    done: (failure: EtcdFailure | undefined, answer: UnaryAnswers[M]) => void,
  ): () => void {
    const answered = (error: unknown, answer: UnaryAnswers[M]) =>
      done(error === null ? undefined : EtcdFailure.of(error), answer)
    const call = this.#begin(method, [request, this.#metadataOf(headers), {}, answered])
    return () => call.cancel()
  }

  /** Begins a stream. */
  stream<M extends keyof StreamAnswers>(
    method: M,
    headers: CallHeaders,
    handlers: StreamHandlers<StreamAnswers[M]>,
  ): EtcdStream {
    const stream = this.#begin(method, [this.#metadataOf(headers)])
    let over = false
    const end = () => {
      if (over) return false
      over = true
      this.#streams--
      // grpc-js does not like a channel to be closed while it reports on it.
      if (this.#retired) setImmediate(() => this.#closeUnused())
      return true
    }
    const fail = (failure: EtcdFailure) => {
      if (!end()) return
      stream.cancel()
      handlers.failed(failure)
    }
    this.#streams++
    stream.on('data', answer => {
      if (!over) handlers.message(answer as StreamAnswers[M])
    })
    // Stays after the end: an error that nobody listens to would end the process.
    stream.on('error', error => fail(EtcdFailure.of(error)))
    stream.on('end', () =>
      fail(new EtcdFailure(GRPC.UNAVAILABLE, 'the server has ended the stream')),
    )
    return {
      write: message => {
        if (!over) stream.write(message)
      },
      cancel: () => {
        if (end()) stream.cancel()
      },
    }
  }

  /** To be called when nothing new will be begun: closes as soon as the last stream is over. */
  retire(): void {
    this.#retired = true
    this.#closeUnused()
  }

  /** Closes now; what is under way has to be cancelled before. Idempotent. */
  close(): void {
    this.#pool.close()
  }

  #closeUnused(): void {
    if (this.#streams === 0) this.close()
  }

  /** @throws when this connection has been closed */
  #begin(method: string, args: readonly unknown[]): RawStream {
    const [service, name] = method.split('.') as [Service, string]
    try {
      return this.#clients[service][name]?.(...args) as RawStream
    } catch (cause) {
      const details = (cause as Error).message
      throw new EtcdFailure(GRPC.UNAVAILABLE, details, { cause, unsent: true })
    }
  }

  #metadataOf(headers: CallHeaders): RawMetadata {
    const metadata = this.#metadata.clone()
    for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
    return metadata
  }
}

type PoolOptions = ConstructorParameters<typeof ConnectionPool>[0]

/** What of the insides of etcd3 and grpc-js {@link nameNoServer} touches. */
interface PoolInside {
  readonly hosts: readonly { readonly channelCredentials: CredentialsInside }[]
}

interface CredentialsInside {
  _createSecureConnector(...args: unknown[]): { connectionOptions: { servername?: string } }
}

/**
 * Has TLS to an IP address name no server, as RFC 6066 (section 3) has it. grpc-js 1.14 always names
 * one, which Node 26 refuses for addresses (grpc/grpc-node issue 1919). The certificate is checked
 * against the address all the same: Node takes `host` where there is no name. Should grpc-js change,
 * it is back to refusing; nothing gets less strict.
 */
function nameNoServer(pool: ConnectionPool): void {
  for (const { channelCredentials } of (pool as unknown as PoolInside).hosts) {
    const create = channelCredentials._createSecureConnector.bind(channelCredentials)
    channelCredentials._createSecureConnector = (...args) => {
      const connector = create(...args)
      delete connector.connectionOptions.servername
      return connector
    }
  }
}

function credentialsOf({ ca, cert, key }: EtcdTls): object {
  return { rootCertificate: ca, certChain: cert, privateKey: key }
}
