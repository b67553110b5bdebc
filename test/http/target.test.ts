import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { normaliseTarget, splitAbsoluteTarget } from '../../src/http/target.ts'

describe('normaliseTarget', () => {
  it.each([
    '/',
    '/a/b.c/~d',
    '/a;b=1,2/@x:y',
    '/?',
    '/a?b=c&d=%20%2F/?x',
    '/a%20b',
    '/a%2Fb',
    '/%E2%82%AC',
    '//evil/path',
    '/a//b',
  ])('leaves %s as it is', target => {
    expect(normaliseTarget(target)).toBe(target)
  })

  it.each([
    ['/a/../b', '/b'],
    ['/../../etc/passwd', '/etc/passwd'],
    ['/a/./b', '/a/b'],
    ['/a/..', '/'],
    ['/a/%2e%2E/b', '/b'],
    ['/a/.%2e/b?/../c', '/b?/../c'],
    ['/a\\..\\b', '/b'],
    ['/\\evil', '//evil'],
    ['/a"b', '/a%22b'],
    ["/a?'", '/a?%27'],
    ['/.well-known/x', '/.well-known/x'],
  ])('reads %s as %s', (raw, target) => {
    expect(normaliseTarget(raw)).toBe(target)
  })

  it.each([
    '',
    '*',
    'a',
    'http://a/',
    '/a b',
    '/a#b',
    '/\x00',
    '/\x7f',
    '/\xe9',
    '/%',
    '/%1',
    '/%g1',
  ])('refuses %j', raw => {
    expect(() => normaliseTarget(raw)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }))
  })

  it.each(['/%00', '/%C0%AF', '/%ff', '/%ED%A0%80', '/%F4%90%80%80'])(
    'refuses %s, whose path is not UTF-8 text',
    raw => {
      expect(() => normaliseTarget(raw)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }))
    },
  )

  it('lets a query encode any byte', () => {
    expect(normaliseTarget('/?q=%00%ff')).toBe('/?q=%00%ff')
  })

  it('gives what the URL standard gives, and what it leaves alone', () => {
    const pieces = fc.constantFrom(
      ...[
        '/',
        '//',
        '.',
        '..',
        '\\',
        '?',
        '%2e',
        '%2F',
        '%5c',
        '%41',
        'a',
        'B1',
        '~',
        "'",
        '"',
        ';',
        '|',
        '^',
        '{',
      ],
    )
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), parts => {
        const target = normaliseTarget(`/${parts.join('')}`)
        expect(target.startsWith('/')).toBe(true)
        expect(new URL(`http://host${target}`).href).toBe(`http://host${target}`)
        expect(normaliseTarget(target)).toBe(target)
      }),
    )
  })
})

describe('splitAbsoluteTarget', () => {
  it.each([
    ['http://a/b?c', 'a', '/b?c'],
    ['HTTPS://a:1', 'a:1', '/'],
    ['http://a?b', 'a', '/?b'],
    ['http://u@a/', 'u@a', '/'],
    ['http:///b', '', '/b'],
  ])('takes %s apart', (raw, authority, target) => {
    expect(splitAbsoluteTarget(raw)).toEqual({ authority, target })
  })

  it.each(['/a', '*', 'ftp://a/', 'http:/a'])('gives null for %s', raw => {
    expect(splitAbsoluteTarget(raw)).toBeNull()
  })
})
