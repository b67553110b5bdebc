import { type Clock, systemClock, type Timer } from '../clock.ts'
import { FezzError } from '../errors.ts'
import type { ListenerAddress } from '../http/listener.ts'
import { runInSlices } from '../routing/slices.ts'
import type { Logger } from '../telemetry/logger.ts'
import { isUsable } from './clusters.ts'
import type { GrpcTransport, StreamHandler } from './grpc-transport.ts'
import { KINDS, type ResourceKind, type Snapshot, versionOf } from './resource.ts'
import { Rollout } from './rollout.ts'
import { buildRouting, type SnapshotOptions } from './snapshot.ts'
import type { Verdict } from './subscription.ts'
import type { ClusterView, FunctionView, NodeView } from './view.ts'
import { type ClientStatus, XdsStream } from './xds-stream.ts'

/** Changes of functions within this time go to Envoy together. */
const DEBOUNCE_MS = 50

const MAX_MESSAGE_CHARS = 1_000

export interface XdsServerOptions extends SnapshotOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly log: Logger
  readonly clock?: Clock
}

/** A configuration that an Envoy has refused. */
export interface Refusal {
  /** Id of Envoy's node. */
  readonly node: string
  readonly kind: ResourceKind
  readonly version: string
  /** Envoy's own words. */
  readonly message: string
}

/** How it goes between this server and its Envoys. */
export interface XdsStatus {
  /** Of everything that is told; `undefined` until there is something to tell. */
  readonly version: string | undefined
  readonly clients: readonly ClientStatus[]
  /** Responses that were accepted, since the start. */
  readonly acks: Readonly<Record<ResourceKind, number>>
  /** Responses that were refused, since the start. */
  readonly nacks: Readonly<Record<ResourceKind, number>>
  readonly lastNack: Refusal | undefined
}

/**
 * The control plane as Envoy sees it: an aggregated discovery service over gRPC, in both forms of the
 * protocol (https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol). Versions are hashes of
 * what is told, so any number of servers with the same view are one to an Envoy that moves among them.
 */
export class XdsServer implements AsyncDisposable {
  readonly #options: XdsServerOptions
  readonly #clock: Clock
  readonly #streams = new Set<XdsStream>()
  readonly #rollout: Rollout
  readonly #acks = counters()
  readonly #nacks = counters()
  readonly #abort = new AbortController()
  #transport: GrpcTransport | undefined
  #listening: Promise<ListenerAddress> | undefined
  #snapshot: Snapshot | undefined
  #nodes: readonly NodeView[] | undefined
  #functions: readonly FunctionView[] | undefined
  #debounce: Timer | undefined
  #building = false
  #lastNack: Refusal | undefined

  constructor(options: XdsServerOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#rollout = new Rollout({
      clock: this.#clock,
      isWarm: () => [...this.#streams].every(stream => stream.hasClusters),
      isSettled: () => [...this.#streams].every(stream => stream.hasRoutes),
      onChange: snapshot => {
        this.#snapshot = snapshot
        for (const stream of this.#streams) stream.refresh(snapshot)
      },
    })
  }

  /**
   * What Envoys are to know from now on. Nodes are told at once, functions within a moment; nothing is
   * told of what Envoy does not see, such as a function's version. A view whose `nodes` or `functions`
   * are the same array as before is not looked at again.
   */
  update(view: ClusterView): void {
    if (this.#abort.signal.aborted) return
    if (view.nodes !== this.#nodes) {
      this.#nodes = view.nodes
      this.#reportUnusable(view.nodes)
      this.#rollout.setNodes(view.nodes)
    }
    if (view.functions === this.#functions) return
    const isFirst = this.#functions === undefined
    this.#functions = view.functions
    if (isFirst) void this.#build()
    else this.#debounce ??= this.#clock.setTimer(() => void this.#build(), DEBOUNCE_MS)
  }

  /**
   * Opens the port. Envoys that come before the first {@link update} wait.
   *
   * @throws FezzError `INVALID_CONFIG` when the address cannot be had
   */
  listen(): Promise<ListenerAddress> {
    this.#listening ??= this.#listen()
    return this.#listening
  }

  status(): XdsStatus {
    const snapshot = this.#snapshot
    return {
      version: snapshot && versionOf(KINDS.flatMap(kind => [...snapshot[kind].values()])),
      clients: Array.from(this.#streams, stream => stream.status()),
      acks: { ...this.#acks },
      nacks: { ...this.#nacks },
      lastNack: this.#lastNack,
    }
  }

  /** Ends all streams; Envoys go on with what they know. Idempotent. */
  async close(): Promise<void> {
    this.#abort.abort()
    this.#debounce?.cancel()
    this.#rollout.close()
    await this.#listening?.catch(() => {})
    this.#transport?.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #listen(): Promise<ListenerAddress> {
    const { host, port } = this.#options
    // Only who serves Envoy pays for loading gRPC.
    const { GrpcTransport } = await import('./grpc-transport.ts')
    this.#transport = new GrpcTransport((variant, peer, send) => this.#open(variant, peer, send))
    try {
      return await this.#transport.listen(host, port)
    } catch (cause) {
      const message = `cannot listen on ${host}:${port} for Envoy; choose another port`
      throw new FezzError('INVALID_CONFIG', message, { cause })
    }
  }

  #open(
    variant: ClientStatus['variant'],
    peer: string,
    send: (bytes: Uint8Array) => void,
  ): StreamHandler {
    const onVerdict = (kind: ResourceKind, verdict: Verdict, stream: XdsStream) =>
      this.#count(kind, verdict, stream)
    const stream = new XdsStream({ variant, peer, send, onVerdict })
    this.#streams.add(stream)
    return {
      receive: bytes => {
        stream.receive(bytes, this.#snapshot)
        this.#rollout.proceed()
      },
      end: () => {
        this.#streams.delete(stream)
        this.#rollout.proceed()
      },
    }
  }

  #count(kind: ResourceKind, { version, error }: Verdict, stream: XdsStream): void {
    if (error === undefined) {
      this.#acks[kind]++
      return
    }
    this.#nacks[kind]++
    // Envoy may quote all of what it refuses.
    const message = error.slice(0, MAX_MESSAGE_CHARS)
    const refusal = { node: stream.status().node, kind, version, message }
    this.#lastNack = refusal
    this.#options.log.error({ xds: refusal }, `Envoy has refused ${kind}`)
  }

  /** One at a time; what has changed meanwhile is built next. */
  async #build(): Promise<void> {
    this.#debounce = undefined
    if (this.#building) return
    this.#building = true
    try {
      let functions: readonly FunctionView[] | undefined
      while (functions !== this.#functions) {
        functions = this.#functions!
        const steps = buildRouting(functions, this.#options, this.#rollout.routing)
        const routing = await runInSlices(steps, undefined, this.#abort.signal)
        this.#abort.signal.throwIfAborted()
        this.#rollout.setRouting(routing)
      }
    } catch (err) {
      if (this.#abort.signal.aborted) return
      this.#options.log.error({ err }, 'routes for Envoy cannot be made; it keeps those it has')
    } finally {
      this.#building = false
    }
  }

  #reportUnusable(nodes: readonly NodeView[]): void {
    for (const { id, address, port } of nodes.filter(node => !isUsable(node))) {
      const fields = { node: id, address, port }
      this.#options.log.warn(fields, `node ${id} is no IP address and port; Envoy does without it`)
    }
  }
}

function counters(): Record<ResourceKind, number> {
  return { clusters: 0, endpoints: 0, listeners: 0, routes: 0 }
}
