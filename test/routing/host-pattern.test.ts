import { describe, expect, it } from 'vitest'
import { parseHost, withoutPort } from '../../src/routing/host-pattern.ts'

describe('parseHost', () => {
  it.each([
    ['example.com', 'example.com'],
    ['API.Example.COM', 'api.example.com'],
    ['*.Example.com', '*.example.com'],
    ['*.com', '*.com'],
    ['localhost', 'localhost'],
    ['127.0.0.1', '127.0.0.1'],
    ['[::1]', '[::1]'],
    ['münchen.de', 'xn--mnchen-3ya.de'],
    ['*.münchen.de', '*.xn--mnchen-3ya.de'],
    ['_dmarc.example.com', '_dmarc.example.com'],
  ])('accepts %s', (host, normalised) => {
    expect(parseHost(host)).toBe(normalised)
  })

  it.each([
    ['', 'not a host name'],
    ['*', '"*" only as its first label'],
    ['*.', 'not a host name'],
    ['a.*.com', '"*" only as its first label'],
    ['*.*.com', '"*" only as its first label'],
    ['*x.com', '"*" only as its first label'],
    ['example.com:8080', 'has a port'],
    ['*.example.com:80', 'has a port'],
    ['[::1]:80', 'has a port'],
    ['user@example.com', 'not a host name'],
    ['example.com/x', 'not a host name'],
    ['exa mple.com', 'not a host name'],
    ['%61.com', 'not a host name'],
    ['a..b', 'empty label'],
    ['.example.com', 'empty label'],
    ['example.com.', 'empty label'],
    ['*.[::1]', 'not a host name'],
    [5, 'not a string'],
  ])('refuses %j', (host, problem) => {
    const refuse = () => parseHost(host as string, 'function "f"')
    expect(refuse).toThrow(problem)
    expect(refuse).toThrow(`function "f": host ${JSON.stringify(host)}`)
    expect(refuse).toThrow(expect.objectContaining({ code: 'INVALID_MANIFEST' }))
  })
})

describe('withoutPort', () => {
  it.each([
    ['example.com', 'example.com'],
    ['example.com:8080', 'example.com'],
    ['[::1]', '[::1]'],
    ['[::1]:80', '[::1]'],
    ['', ''],
  ])('%j is %j', (authority, host) => {
    expect(withoutPort(authority)).toBe(host)
  })
})
