import { encodeResponse, type SotwRequest } from './discovery.ts'
import { type Resource, type ResourceKind, type ResourceMap, versionOf } from './resource.ts'
import {
  Exchange,
  hasWildcard,
  type Reply,
  type Subscription,
  type SubscriptionStatus,
  type Verdict,
} from './subscription.ts'

/**
 * State of the world: each response holds all that the client asks for. Its version is a hash of
 * just that, so a client that comes with it, on whatever server, has it all.
 */
export class SotwSubscription implements Subscription<SotwRequest> {
  readonly kind: ResourceKind
  readonly #exchange = new Exchange()
  #names: ReadonlySet<string> = new Set()
  #isWildcard = false
  #isFirst = true
  /** What the client has, or has refused; `''` when it has nothing. */
  #version = ''
  #told = new Map<string, string>()

  constructor(kind: ResourceKind) {
    this.kind = kind
  }

  receive(request: SotwRequest): Verdict | undefined {
    const { response_nonce: nonce, resource_names: names } = request
    let verdict: Verdict | undefined
    if (this.#isFirst) {
      // The nonce, if there is one, is of another stream.
      this.#version = request.version_info
      this.#isWildcard = hasWildcard(this.kind) && names.length === 0
      this.#isFirst = false
    } else {
      // A request that has crossed our last response; the one that answers it says the same anew.
      if (!this.#exchange.isCurrent(nonce)) return undefined
      verdict = this.#exchange.settle(nonce, request.error_detail)
      if (names.length > 0) this.#isWildcard = names.includes('*')
      else if (this.#names.size > 0) this.#isWildcard = false
    }
    this.#names = new Set(names)
    return verdict
  }

  reply(resources: ResourceMap, nonce: string): Reply | undefined {
    if (this.#exchange.waiting) return undefined
    const wanted = this.#isWildcard
      ? [...resources.values()]
      : [...this.#names].map(name => resources.get(name)).filter(found => found !== undefined)
    // Of single resources there is no way to say that they are not there.
    if (wanted.length === 0 && !this.#isWildcard) return undefined
    const version = versionOf(wanted)
    if (version === this.#version) return undefined
    const changed = wanted.filter(resource => this.#isChanged(resource)).map(({ name }) => name)
    this.#version = version
    this.#told = new Map(wanted.map(({ name, version }) => [name, version]))
    this.#exchange.send(nonce, version)
    return { version, bytes: encodeResponse(this.kind, version, nonce, wanted), changed }
  }

  forget(): void {
    this.#version = ''
  }

  status(): SubscriptionStatus {
    return this.#exchange.status()
  }

  #isChanged({ name, version }: Resource): boolean {
    const told = this.#told.get(name)
    return told !== undefined && told !== version
  }
}
