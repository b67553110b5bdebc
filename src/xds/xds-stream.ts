import { DeltaSubscription } from './delta-subscription.ts'
import {
  type DeltaRequest,
  decodeDeltaRequest,
  decodeRequest,
  type SotwRequest,
  type Variant,
} from './discovery.ts'
import { KINDS, kindOfUrl, type ResourceKind, type Snapshot } from './resource.ts'
import { SotwSubscription } from './sotw-subscription.ts'
import type { Subscription, SubscriptionStatus, Verdict } from './subscription.ts'

/** One client on one stream. */
export interface ClientStatus {
  /** Id that Envoy was started with; `''` until its first request. */
  readonly node: string
  /** Address and port it comes from. */
  readonly peer: string
  readonly variant: Variant
  readonly kinds: Readonly<Partial<Record<ResourceKind, SubscriptionStatus>>>
}

export interface XdsStreamOptions {
  readonly variant: Variant
  readonly peer: string
  /** Writes one response. */
  readonly send: (bytes: Uint8Array) => void
  /** A client has accepted or refused what it was sent. */
  readonly onVerdict: (kind: ResourceKind, verdict: Verdict, stream: XdsStream) => void
}

/** The protocol with one client, without its transport. */
export class XdsStream {
  readonly #options: XdsStreamOptions
  readonly #subscriptions = new Map<
    ResourceKind,
    Subscription<SotwRequest> | Subscription<DeltaRequest>
  >()
  #node = ''
  #nonce = 0

  constructor(options: XdsStreamOptions) {
    this.#options = options
  }

  /**
   * @param snapshot absent as long as there is nothing to tell: the client waits
   * @throws Error when the bytes are no request
   */
  receive(bytes: Uint8Array, snapshot: Snapshot | undefined): void {
    const isDelta = this.#options.variant === 'delta'
    const request = isDelta ? decodeDeltaRequest(bytes) : decodeRequest(bytes)
    // Only the first request of a stream has to name the node.
    if (request.node !== null) this.#node = request.node.id
    const kind = kindOfUrl(request.type_url)
    if (kind === undefined) return
    let subscription = this.#subscriptions.get(kind)
    if (subscription === undefined) {
      subscription = isDelta ? new DeltaSubscription(kind) : new SotwSubscription(kind)
      this.#subscriptions.set(kind, subscription)
    }
    const verdict = subscription.receive(request as SotwRequest & DeltaRequest)
    if (verdict !== undefined) this.#options.onVerdict(kind, verdict, this)
    if (snapshot !== undefined) this.refresh(snapshot)
  }

  /** Sends what is new to the client: clusters before their endpoints, routes last. */
  refresh(snapshot: Snapshot): void {
    for (const kind of KINDS) {
      const reply = this.#subscriptions.get(kind)?.reply(snapshot[kind], String(this.#nonce + 1))
      if (reply === undefined) continue
      this.#nonce++
      this.#options.send(reply.bytes)
      if (kind === 'clusters' && reply.changed.length > 0) {
        this.#subscriptions.get('endpoints')?.forget(reply.changed)
      }
    }
  }

  /**
   * Whether the client uses all the clusters that it was sent. Envoy does not answer before they are
   * warm: their endpoints are there, and each has had its first health check.
   */
  get hasClusters(): boolean {
    const status = this.#subscriptions.get('clusters')?.status()
    return status !== undefined && !status.waiting && status.refused === undefined
  }

  /** Whether the client has accepted all the routes that it was sent. */
  get hasRoutes(): boolean {
    const status = this.#subscriptions.get('routes')?.status()
    return status === undefined || (!status.waiting && status.refused === undefined)
  }

  status(): ClientStatus {
    const { peer, variant } = this.#options
    const kinds = Object.fromEntries(
      Array.from(this.#subscriptions, ([kind, subscription]) => [kind, subscription.status()]),
    )
    return { node: this.#node, peer, variant, kinds }
  }
}
