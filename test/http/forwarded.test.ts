import { describe, expect, it } from 'vitest'
import { plainAddress, TrustedProxies } from '../../src/http/forwarded.ts'

describe('TrustedProxies', () => {
  const proxies = new TrustedProxies(['10.0.0.0/8', '192.0.2.1', '2001:db8::/32'])
  const clientOf = (...chain: string[]) =>
    proxies.read(
      '10.0.0.1',
      chain.flatMap(value => ['X-Forwarded-For', value]),
    ).clientAddress

  it('trusts the addresses and blocks it was given, and no others', () => {
    for (const address of ['10.1.2.3', '192.0.2.1', '2001:db8::1', '::ffff:10.1.2.3']) {
      expect(proxies.trusts(address)).toBe(true)
    }
    for (const address of ['192.0.2.2', '2001:db9::1', '', 'nonsense']) {
      expect(proxies.trusts(address)).toBe(false)
    }
    expect(new TrustedProxies([]).trusts('127.0.0.1')).toBe(false)
  })

  it.each(['nonsense', '10.0.0.0/33', '::/129', '10.0.0.0/', '10.0.0.0/x', '1.2.3.4/8/8x'])(
    'refuses %s in its settings',
    value => {
      const make = () => new TrustedProxies([value])
      expect(make).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }))
      expect(make).toThrow(`"${value}"`)
    },
  )

  it('takes the nearest address that is no trusted proxy for the client', () => {
    expect(clientOf()).toBe('10.0.0.1')
    expect(clientOf('203.0.113.9')).toBe('203.0.113.9')
    expect(clientOf('203.0.113.9, 10.0.0.2')).toBe('203.0.113.9')
    expect(clientOf('1.1.1.1, 203.0.113.9,10.0.0.2', '192.0.2.1')).toBe('203.0.113.9')
    expect(clientOf('10.0.0.3, 10.0.0.2')).toBe('10.0.0.3')
  })

  it('reads addresses with a port, in brackets and mapped into IPv6', () => {
    expect(clientOf('203.0.113.9:1234')).toBe('203.0.113.9')
    expect(clientOf('[2001:db9::1]:1234')).toBe('2001:db9::1')
    expect(clientOf('2001:db9::1')).toBe('2001:db9::1')
    expect(clientOf('203.0.113.9, ::ffff:10.0.0.2')).toBe('203.0.113.9')
  })

  it('stops where the chain is malformed', () => {
    expect(clientOf('203.0.113.9, unknown, 10.0.0.2')).toBe('10.0.0.2')
    expect(clientOf('')).toBe('10.0.0.1')
  })

  it('reads scheme and host as the nearest proxy wrote them', () => {
    const read = (proto: string, host: string) =>
      proxies.read('10.0.0.1', ['X-Forwarded-Proto', proto, 'x-forwarded-host', host])
    expect(read('HTTPS', 'Shop.example:443')).toMatchObject({
      scheme: 'https',
      authority: 'shop.example',
    })
    expect(read('http, https', 'spoofed, real')).toMatchObject({
      scheme: 'https',
      authority: 'real',
    })
    expect(read('gopher', 'a b')).toMatchObject({ scheme: undefined, authority: undefined })
  })
})

describe('plainAddress', () => {
  it('drops zones and unwraps mapped IPv4', () => {
    expect(plainAddress('::ffff:1.2.3.4')).toBe('1.2.3.4')
    expect(plainAddress('fe80::1%eth0')).toBe('fe80::1')
    expect(plainAddress('1.2.3.4')).toBe('1.2.3.4')
  })
})
