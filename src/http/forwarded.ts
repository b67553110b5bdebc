import { BlockList, isIP } from 'node:net'
import { FezzError } from '../errors.ts'
import { normaliseAuthority } from './authority.ts'

/** Stands for all peers that come by a Unix socket: they have no address. */
export const UNIX = 'unix'

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
  readonly #trustsUnix: boolean

  /**
   * @param proxies addresses or CIDR blocks, IPv4 or IPv6, or `unix` for whoever comes by a Unix socket
   * @throws FezzError `INVALID_CONFIG` naming the value that is neither
   */
  constructor(proxies: readonly string[]) {
    this.#none = proxies.length === 0
    this.#trustsUnix = proxies.includes(UNIX)
    for (const proxy of proxies) if (proxy !== UNIX) this.#add(proxy)
  }

  #add(proxy: string): void {
    const network = parseNetwork(proxy)
    if (network === undefined) {
      throw new FezzError(
        'INVALID_CONFIG',
        `trustedProxies: "${proxy}" is neither an address nor a CIDR block nor ${UNIX}`,
      )
    }
    this.#blocks.addSubnet(network.address, network.prefixBits, network.family)
  }

  /**
   * Whether `address` (as {@link plainAddress} gives it) is a trusted proxy; empty for whoever comes by a
   * Unix socket.
   */
  trusts(address: string): boolean {
    if (this.#none) return false
    if (address === '') return this.#trustsUnix
    const family = familyOf(address)
    return family !== undefined && this.#blocks.check(address, family)
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

/** A block of addresses; a single address is one with all of its bits as prefix. */
export interface Network {
  readonly address: string
  readonly prefixBits: number
  readonly family: 'ipv4' | 'ipv6'
}

/** Reads an address or a CIDR block (RFC 4632, RFC 4291 section 2.3); `undefined` when it is neither. */
export function parseNetwork(text: string): Network | undefined {
  const [address = '', prefix, ...more] = text.split('/')
  const family = familyOf(address)
  if (family === undefined || more.length > 0) return undefined
  const maxBits = family === 'ipv4' ? 32 : 128
  if (prefix === undefined) return { address, prefixBits: maxBits, family }
  const prefixBits = Number(prefix)
  const isValid = /^\d{1,3}$/.test(prefix) && prefixBits <= maxBits
  return isValid ? { address, prefixBits, family } : undefined
}

function familyOf(address: string): Network['family'] | undefined {
  const version = isIP(address)
  return version === 0 ? undefined : `ipv${version as 4 | 6}`
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
