import { type DeltaRequest, encodeDeltaResponse } from './discovery.ts'
import { type Resource, type ResourceKind, type ResourceMap, versionOf } from './resource.ts'
import {
  Exchange,
  hasWildcard,
  type Reply,
  type Subscription,
  type SubscriptionStatus,
  type Verdict,
} from './subscription.ts'

const ALL = '*'
/** Version of a resource that the client was told there is none of. */
const ABSENT = ''

/** Only what has changed is sent, resource by resource. */
export class DeltaSubscription implements Subscription<DeltaRequest> {
  readonly kind: ResourceKind
  readonly #exchange = new Exchange()
  readonly #names = new Set<string>()
  /** What the client has, or was last sent. */
  readonly #known = new Map<string, string>()
  #isWildcard = false
  #isFirst = true
  #isAnswered = false

  constructor(kind: ResourceKind) {
    this.kind = kind
  }

  receive(request: DeltaRequest): Verdict | undefined {
    const { resource_names_subscribe: wanted, resource_names_unsubscribe: unwanted } = request
    if (this.#isFirst) {
      this.#isFirst = false
      this.#isWildcard = hasWildcard(this.kind) && wanted.length === 0
      for (const [name, version] of Object.entries(request.initial_resource_versions)) {
        this.#known.set(name, version)
      }
      for (const name of wanted) this.#add(name)
    } else {
      // Asked for again means: send it again, it may have been dropped.
      for (const name of wanted) {
        this.#known.delete(name)
        this.#add(name)
      }
    }
    for (const name of unwanted) this.#remove(name)
    return this.#exchange.settle(request.response_nonce, request.error_detail)
  }

  reply(resources: ResourceMap, nonce: string): Reply | undefined {
    if (this.#exchange.waiting) return undefined
    const wanted = this.#isWildcard
      ? new Map(resources)
      : new Map(Array.from(this.#names, name => [name, resources.get(name)]))
    for (const name of this.#names) if (!wanted.has(name)) wanted.set(name, undefined)
    for (const name of this.#known.keys()) if (!wanted.has(name)) wanted.set(name, undefined)

    const send: Resource[] = []
    const removed: string[] = []
    const changed: string[] = []
    for (const [name, resource] of wanted) {
      const known = this.#known.get(name)
      if (resource === undefined) {
        if (known !== ABSENT) removed.push(name)
        // Named ones may come back; others are forgotten.
        if (this.#names.has(name)) this.#known.set(name, ABSENT)
        else this.#known.delete(name)
      } else if (resource.version !== known) {
        send.push(resource)
        if (known !== undefined && known !== ABSENT) changed.push(name)
        this.#known.set(name, resource.version)
      }
    }
    // Who asks for all of nothing waits for an answer too.
    const isOwed = this.#isWildcard && !this.#isAnswered && this.#known.size === 0
    if (send.length + removed.length === 0 && !isOwed) return undefined
    this.#isAnswered = true
    const version = versionOf(resources.values())
    this.#exchange.send(nonce, version)
    const bytes = encodeDeltaResponse(this.kind, version, nonce, send, removed)
    return { version, bytes, changed }
  }

  forget(names: readonly string[]): void {
    for (const name of names) this.#known.delete(name)
  }

  status(): SubscriptionStatus {
    return this.#exchange.status()
  }

  #add(name: string): void {
    if (name === ALL) this.#isWildcard = hasWildcard(this.kind)
    else this.#names.add(name)
  }

  #remove(name: string): void {
    if (name === ALL) this.#isWildcard = false
    this.#names.delete(name)
    // The client has dropped it: no word about it is due.
    if (!this.#isWildcard) this.#known.delete(name)
  }
}
