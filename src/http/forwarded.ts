import { BlockList, isIP } from 'node:net'
import { FezzError } from '../errors.ts'
import { normaliseAuthority } from './authority.ts'

/** What proxies say of a request; `undefined` where they say nothing that can be used. */
export interface Forwarded {
  /** Address of the client: the first one, from the nearest, that is no trusted proxy. */
  readonly clientAddress: string
  readonly scheme: 'http' | 'https' | undefined
  /** Validated and in lower case. */
  readonly authority: string | undefined
}

/**
 * The proxies whose `X-Forwarded-For`, `-Proto` and `-Host` are believed. Anyone else could have
 * written these headers, so they are read only for a peer that {@link trusts} holds for.
 */
export class TrustedProxies {
  readonly #blocks = new BlockList()
  readonly #none: boolean

  /**
   * @param proxies addresses or CIDR blocks, IPv4 or IPv6
   * @throws FezzError `INVALID_CONFIG` naming the value that is neither
   */
  constructor(proxies: readonly string[]) {
    this.#none = proxies.length === 0
    for (const proxy of proxies) this.#add(proxy)
  }

  #add(proxy: string): void {
    const [address = '', prefix, ...more] = proxy.split('/')
    const family = isIP(address)
    const bits = Number(prefix)
    const bad =
      family === 0 ||
      more.length > 0 ||
      (prefix !== undefined && !(/^\d{1,3}$/.test(prefix) && bits <= (family === 4 ? 32 : 128)))
    if (bad) {
      throw new FezzError(
        'INVALID_CONFIG',
        `trustedProxies: "${proxy}" is neither an address nor a CIDR block`,
      )
    }
    const type = family === 4 ? 'ipv4' : 'ipv6'
    if (prefix === undefined) this.#blocks.addAddress(address, type)
    else this.#blocks.addSubnet(address, bits, type)
  }

  /** Whether `address` (as {@link plainAddress} gives it) is a trusted proxy. */
  trusts(address: string): boolean {
    if (this.#none) return false
    const family = isIP(address)
    return family !== 0 && this.#blocks.check(address, family === 4 ? 'ipv4' : 'ipv6')
  }

  /**
   * Reads the headers of a request that came from the trusted `peer`. Malformed values are as if
   * absent. Of a list in -Proto or -Host the last element counts: the nearest proxy wrote it.
   *
   * @param rawHeaders name, value, name, value, ...
   */
  read(peer: string, rawHeaders: readonly string[]): Forwarded {
    let chain = ''
    let proto = ''
    let host = ''
    for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
      const value = rawHeaders[i + 1] as string
      switch (rawHeaders[i]?.toLowerCase()) {
        case 'x-forwarded-for':
          chain = chain === '' ? value : `${chain},${value}`
          break
        case 'x-forwarded-proto':
          proto = lastElement(value).toLowerCase()
          break
        case 'x-forwarded-host':
          host = lastElement(value)
      }
    }
    const scheme = proto === 'http' || proto === 'https' ? proto : undefined
    return {
      clientAddress: this.#client(peer, chain),
      scheme,
      authority: host === '' ? undefined : readHost(host, scheme ?? 'http'),
    }
  }

  #client(peer: string, chain: string): string {
    let client = peer
    const hops = chain.split(',')
    while (this.trusts(client)) {
      const hop = plainAddress(withoutPort((hops.pop() ?? '').trim()))
      if (isIP(hop) === 0) break
      client = hop
    }
    return client
  }
}

/** An IP address without zone; an IPv4 address mapped into IPv6 (RFC 4291, 2.5.5.2) as IPv4. */
export function plainAddress(address: string): string {
  const zone = address.indexOf('%')
  const plain = zone === -1 ? address : address.slice(0, zone)
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)
  return mapped?.[1] ?? plain
}

function withoutPort(hop: string): string {
  const match = /^\[([^\]]*)\](?::\d+)?$/.exec(hop) ?? /^([\d.]+):\d+$/.exec(hop)
  return match?.[1] ?? hop
}

function lastElement(list: string): string {
  return list.slice(list.lastIndexOf(',') + 1).trim()
}

function readHost(host: string, scheme: 'http' | 'https'): string | undefined {
  try {
    return normaliseAuthority(host, scheme)
  } catch {
    return undefined
  }
}
