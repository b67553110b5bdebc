import { FezzError } from '../../errors.ts'
import { unserved } from '../answers.ts'
import { tooLarge } from '../body-sink.ts'
import type { ListenerOptions, UpgradeHandler } from '../listener.ts'
import { LocatedRequest, type Peer } from '../located-request.ts'
import type { Outgoing } from '../web/response-state.ts'
import type { EngineContext } from './engine-context.ts'
import { type BodyFlow, RequestBody } from './request-body.ts'
import type { RequestHead } from './request-head.ts'

/** What an {@link Exchange} needs of its connection. */
export interface ExchangePeer extends Peer {
  /** Somebody wants more of the body, or does not any more. */
  flow(): void
  /** Somebody wants the body, and the client waits to be told so. */
  sendContinue(exchange: Exchange): void
}

/** One request and its answer; a link in the chain of those that its connection has not answered. */
export class Exchange extends LocatedRequest implements BodyFlow {
  readonly head: RequestHead
  readonly method: string
  body: RequestBody | null = null
  /** The answer, while it waits for its turn. */
  outgoing: Outgoing | undefined
  /** Who takes over the connection, instead of an answer. */
  upgrade: UpgradeHandler | undefined
  /** Its body was asked for before its turn to say so had come. */
  owesContinue = false
  /** The connection ends with its answer. */
  isLast = false
  /** The answer is there, or was. */
  isAnswered = false
  /** The answer is being sent, piece by piece. */
  isSending = false
  /** The answer is complete, or nobody waits for it. */
  isOver = false
  /** The one that is answered after it. */
  next: Exchange | undefined
  readonly #peer: ExchangePeer
  #hasLeft = false
  #abortListeners: (() => void)[] | undefined

  constructor(head: RequestHead, peer: ExchangePeer) {
    super(peer)
    this.#peer = peer
    this.head = head
    this.method = head.method
  }

  get rawHeaders(): readonly string[] {
    return this.head.rawHeaders
  }

  get requestId(): string | undefined {
    return this.head.requestId
  }

  /**
   * Validates what the parser leaves open.
   *
   * @throws FezzError for what this host does not serve; the connection is to be closed then
   */
  open({ options, proxies }: EngineContext): void {
    const { head } = this
    const { expectation } = head
    const refusal = unserved(head.method, expectation)
    if (refusal !== undefined) throw refusal
    if (head.hasOptions) this.#readUpgrade(options.upgrades)
    this.locate(head.target, head.host, head.isHttp10, this.#peer, proxies)
    const { bodyBytes } = head
    if (bodyBytes === 0) return
    const { maxBodyBytes } = options
    if (bodyBytes > maxBodyBytes) throw tooLarge(maxBodyBytes)
    this.body = new RequestBody(this, maxBodyBytes, bodyBytes, expectation !== undefined)
  }

  flow(): void {
    this.#peer.flow()
  }

  sendContinue(): void {
    this.#peer.sendContinue(this)
  }

  onAbort(listener: () => void): void {
    if (this.#hasLeft) listener()
    if (this.#hasLeft || this.isOver) return
    this.#abortListeners ??= []
    this.#abortListeners.push(listener)
  }

  /** The client has left. Harmless when the answer is complete. */
  abort(): void {
    if (this.isOver || this.#hasLeft) return
    this.#hasLeft = true
    const listeners = this.#abortListeners ?? []
    this.#abortListeners = undefined
    for (const listener of listeners) listener()
  }

  #readUpgrade(upgrades: ListenerOptions['upgrades']): void {
    const asked = this.head.upgrades
    if (asked.length === 0) return
    for (const protocol of asked) this.upgrade ??= upgrades?.get(protocol)
    if (this.upgrade === undefined && asked.includes('websocket')) {
      throw new FezzError('NOT_IMPLEMENTED', 'WebSocket is not served')
    }
    // It would be read as the first bytes of the other protocol.
    if (this.head.bodyBytes !== 0) this.upgrade = undefined
  }
}
