import { describe, expect, it } from 'vitest'
import { normaliseAuthority } from '../../src/http/authority.ts'

describe('normaliseAuthority', () => {
  it.each([
    ['Example.COM', 'example.com'],
    ['example.com:80', 'example.com'],
    ['example.com:443', 'example.com:443'],
    ['example.com:0080', 'example.com'],
    ['my_host-1', 'my_host-1'],
    ['127.0.0.1:8080', '127.0.0.1:8080'],
    ['[::1]:8080', '[::1]:8080'],
    ['[0:0::1]', '[::1]'],
    ['a:65535', 'a:65535'],
  ])('reads %s as %s', (value, authority) => {
    expect(normaliseAuthority(value, 'http')).toBe(authority)
    // The second time from its cache.
    expect(normaliseAuthority(value, 'http')).toBe(authority)
  })

  it('drops the default port of the scheme it is asked for', () => {
    expect(normaliseAuthority('a:443', 'https')).toBe('a')
    expect(normaliseAuthority('a:80', 'https')).toBe('a:80')
    expect(normaliseAuthority('a:443', 'http')).toBe('a:443')
  })

  it.each([
    '',
    'a:',
    'a:0',
    'a:65536',
    'u@a',
    'a,b',
    'a b',
    'a/',
    'a?',
    'a#',
    'a%41',
    '..',
    'a..b',
    '1.2.3',
    '[::1',
    '::1',
    '[1]',
    'é',
  ])('refuses %j', value => {
    expect(() => normaliseAuthority(value, 'http')).toThrow(
      expect.objectContaining({ code: 'BAD_REQUEST' }),
    )
  })

  it('stays right when more hosts come by than it remembers', () => {
    for (let n = 0; n < 5_000; n++) {
      expect(normaliseAuthority(`H${n}.example`, 'http')).toBe(`h${n}.example`)
    }
    expect(normaliseAuthority('H0.example', 'http')).toBe('h0.example')
  })
})
