import type { ResourceKind, ResourceMap } from './resource.ts'

/** What one client has been told of one kind of resource, and what it said to it. */
export interface SubscriptionStatus {
  /** Of what was sent last. */
  readonly sent: string | undefined
  /** Of what was accepted last. */
  readonly accepted: string | undefined
  /** Envoy's own words, as long as what was sent last is refused. */
  readonly refused: string | undefined
  /** Whether an answer is still to come. */
  readonly waiting: boolean
}

/** How the client has answered the last response; `undefined`: the request answers none. */
export interface Verdict {
  readonly version: string
  /** Envoy's own words, of a refusal. */
  readonly error: string | undefined
}

/** A response that is due. */
export interface Reply {
  readonly version: string
  readonly bytes: Uint8Array
  /** Resources that the client already had in another version. */
  readonly changed: readonly string[]
}

/**
 * One kind of resource on one stream, in one of the two forms of the protocol. There is one response
 * under way at a time: a client that is slow gets the newest next, not all in between.
 */
export interface Subscription<Request> {
  readonly kind: ResourceKind
  /** Takes a request in. */
  receive(request: Request): Verdict | undefined
  /** The response that is due, and counts as sent; `undefined` when there is none. */
  reply(resources: ResourceMap, nonce: string): Reply | undefined
  /** Sends these again: a cluster that was replaced waits for its endpoints. */
  forget(names: readonly string[]): void
  status(): SubscriptionStatus
}

/** Of these a client may ask for all, whatever their names are. */
export function hasWildcard(kind: ResourceKind): boolean {
  return kind === 'clusters' || kind === 'listeners'
}

/** The response under way and its fate: the same in both forms. */
export class Exchange {
  #nonce: string | undefined
  #sent: string | undefined
  #accepted: string | undefined
  #refused: string | undefined
  #waiting = false

  get waiting(): boolean {
    return this.#waiting
  }

  /** Whether this is the nonce of the last response, or there has been none. */
  isCurrent(nonce: string): boolean {
    return nonce === (this.#nonce ?? '')
  }

  send(nonce: string, version: string): void {
    this.#nonce = nonce
    this.#sent = version
    this.#waiting = true
  }

  /** What a request says to the last response. */
  settle(nonce: string, error: { readonly message: string } | null): Verdict | undefined {
    if (!this.#waiting || nonce !== this.#nonce) return undefined
    this.#waiting = false
    this.#refused = error === null ? undefined : error.message || 'no reason given'
    if (error === null) this.#accepted = this.#sent
    return { version: this.#sent!, error: this.#refused }
  }

  status(): SubscriptionStatus {
    return {
      sent: this.#sent,
      accepted: this.#accepted,
      refused: this.#refused,
      waiting: this.#waiting,
    }
  }
}
