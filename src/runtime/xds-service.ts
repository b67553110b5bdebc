import { ClusterWatch } from '../control-plane/cluster-watch.ts'
import type { Store } from '../control-plane/store.ts'
import type { ListenerAddress } from '../http/listener.ts'
import type { Logger } from '../telemetry/logger.ts'
import { XdsServer, type XdsServerOptions, type XdsStatus } from '../xds/xds-server.ts'

export interface XdsServiceOptions extends XdsServerOptions {
  readonly store: Store
  /** Timeout of a function that declares none. */
  readonly functionTimeoutMs: number
  /** Called once, when there is something to tell. */
  readonly onKnown: () => void
}

export interface XdsServiceStatus extends XdsStatus {
  /** Whether the store answered when it was last asked. */
  readonly connected: boolean
}

/** Tells Envoy of the hosts and functions of a store. */
export class XdsService implements AsyncDisposable {
  readonly #watch: ClusterWatch
  readonly #server: XdsServer
  readonly #log: Logger
  readonly #onKnown: () => void
  #closing: Promise<void> | undefined

  constructor({ store, functionTimeoutMs, onKnown, ...options }: XdsServiceOptions) {
    const { log } = options
    this.#log = log
    this.#onKnown = onKnown
    this.#server = new XdsServer(options)
    this.#watch = new ClusterWatch({
      store,
      log,
      functionTimeoutMs,
      onChange: view => this.#server.update(view),
    })
  }

  /** Opens the port; an Envoy that comes before the store has answered waits. */
  async start(): Promise<ListenerAddress> {
    const address = await this.#server.listen()
    this.#log.info({ ...address }, `xDS on ${address.host}:${address.port}`)
    this.#watch.start().then(this.#onKnown, error => {
      if (this.#closing !== undefined) return
      this.#log.error({ err: error }, 'Envoy cannot be told of hosts and functions')
    })
    return address
  }

  status(): XdsServiceStatus {
    return { connected: this.#watch.connected, ...this.#server.status() }
  }

  /** Idempotent. */
  close(): Promise<void> {
    this.#closing ??= Promise.all([this.#watch.close(), this.#server.close()]).then(() => {})
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
