import type { Socket } from 'node:net'
import { FezzError } from '../errors.ts'
import { normaliseAuthority } from './authority.ts'
import { plainAddress, type TrustedProxies } from './forwarded.ts'
import { ownText } from './own-text.ts'
import { normaliseTarget, splitAbsoluteTarget } from './target.ts'
import type { BodySource, RequestSource } from './web/source.ts'

const SLASH = 0x2f

/** What a listener knows of the connection that a request came by. */
export interface Peer {
  readonly socket: Socket
  /** `https` over TLS. */
  readonly scheme: 'http' | 'https'
  /** Its address. */
  readonly address: string
  /** Whether it is a proxy whose `X-Forwarded-*` are believed. */
  readonly isTrusted: boolean
  /** Its last Host header, and the authority that stands for: most connections bring but one. */
  lastHost: string | undefined
  lastAuthority: string
}

/** A request that has been asked for under one name and one target: what every listener makes of one. */
export abstract class LocatedRequest implements RequestSource {
  abstract readonly method: string
  abstract readonly rawHeaders: readonly string[]
  abstract readonly requestId: string | undefined
  abstract readonly body: BodySource | null
  scheme: 'http' | 'https'
  authority = ''
  target = ''
  clientAddress: string

  constructor(peer: Peer) {
    this.scheme = peer.scheme
    this.clientAddress = peer.address
  }

  abstract onAbort(listener: () => void): void

  /** Whether it is `OPTIONS *` (RFC 9110, section 9.3.7), which asks about the server as a whole. */
  get isForServer(): boolean {
    return this.target === '*'
  }

  /**
   * Finds out where it goes: RFC 9112, sections 3.2 and 3.3.
   *
   * @param raw its target as received
   * @param hostHeader value of its only Host header
   * @throws FezzError `BAD_REQUEST`
   */
  protected locate(
    raw: string,
    hostHeader: string | undefined,
    isHttp10: boolean,
    peer: Peer,
    proxies: TrustedProxies,
  ): void {
    let forwardedAuthority: string | undefined
    if (peer.isTrusted) {
      const forwarded = proxies.read(peer.address, this.rawHeaders)
      this.clientAddress = forwarded.clientAddress
      if (forwarded.scheme !== undefined) this.scheme = forwarded.scheme
      forwardedAuthority = forwarded.authority
    }
    const absolute = raw.charCodeAt(0) === SLASH ? null : splitAbsoluteTarget(raw)
    const host = hostHeader ?? (isHttp10 ? hostOf(absolute, peer.socket) : undefined)
    if (host === undefined) throw new FezzError('BAD_REQUEST', 'The request has no Host header')
    const authority = this.#authorityOf(host, peer)
    // RFC 9112, section 3.2.2 lets the target win over Host. Two names for one request can only
    // mislead whoever routed it here, so they must agree.
    if (absolute !== null && normaliseAuthority(absolute.authority, this.scheme) !== authority) {
      throw new FezzError('BAD_REQUEST', 'The request target and the Host header disagree')
    }
    this.authority = forwardedAuthority ?? authority
    const isForServer = raw === '*' && this.method === 'OPTIONS'
    this.target = isForServer ? raw : normaliseTarget(absolute?.target ?? raw)
  }

  #authorityOf(host: string, peer: Peer): string {
    if (this.scheme !== peer.scheme) return normaliseAuthority(host, this.scheme)
    if (host !== peer.lastHost) {
      peer.lastAuthority = normaliseAuthority(host, this.scheme)
      peer.lastHost = ownText(host)
    }
    return peer.lastAuthority
  }
}

/** HTTP/1.0 may come without a Host header: then it is the target's, or the address it came to. */
function hostOf(absolute: { authority: string } | null, socket: Socket): string {
  if (absolute !== null) return absolute.authority
  if (socket.localAddress === undefined) return 'localhost'
  const address = plainAddress(socket.localAddress)
  return `${address.includes(':') ? `[${address}]` : address}:${socket.localPort ?? 80}`
}
