import { describe, expect, it } from 'vitest'
import { type EtcdAddress, parseStoreUrl } from '../../src/control-plane/store-url.ts'
import { Secret } from '../../src/secret.ts'

function refusal(text: string): string {
  try {
    parseStoreUrl(text)
  } catch (error) {
    expect(error).toBeInstanceOf(RangeError)
    return (error as RangeError).message
  }
  throw new Error('it was not refused')
}

describe('parseStoreUrl', () => {
  it.each([
    ['etcd://10.0.0.1', ['http://10.0.0.1:2379'], '', 'etcd://10.0.0.1:2379'],
    [
      'etcd://a:1,b,[::1]:3/',
      ['http://a:1', 'http://b:2379', 'http://[::1]:3'],
      '',
      'etcd://a:1,b:2379,[::1]:3',
    ],
    [
      'etcds://A.Example:02379/team/a/',
      ['https://a.example:2379'],
      'team/a',
      'etcds://a.example:2379/team/a',
    ],
  ])('reads %s', (text, endpoints, prefix, label) => {
    expect(parseStoreUrl(text)).toEqual({ kind: 'etcd', endpoints, prefix, label })
  })

  it('reads the credentials of etcd, and leaves them out of the label', () => {
    expect(parseStoreUrl('etcd://ro%40ot:p%2Fa:s%40s@h/x')).toEqual({
      kind: 'etcd',
      endpoints: ['http://h:2379'],
      user: 'ro@ot',
      password: new Secret('p/a:s@s'),
      prefix: 'x',
      label: 'etcd://h:2379/x',
    })
    expect(parseStoreUrl('etcd://root@h')).not.toHaveProperty('password')
    const { password } = parseStoreUrl('etcd://root:p%2Fa%3As%40s@h') as EtcdAddress
    expect(password?.reveal()).toBe('p/a:s@s')
  })

  it.each([
    ['consul://127.0.0.1', 'http://127.0.0.1:8500', '', 'consul://127.0.0.1:8500'],
    ['consuls://c:9/x%2Dy', 'https://c:9', 'x-y', 'consuls://c:9/x-y'],
  ])('reads %s', (text, endpoint, prefix, label) => {
    expect(parseStoreUrl(text)).toEqual({ kind: 'consul', endpoint, prefix, label })
  })

  it.each([
    ['file:///var/lib/fezz', '/var/lib/fezz'],
    ['file:///a%20b', '/a b'],
    ['file://./store', './store'],
    ['file://../store', '../store'],
    ['file://.', '.'],
  ])('reads %s', (text, folder) => {
    expect(parseStoreUrl(text)).toEqual({ kind: 'file', folder, prefix: '', label: text })
  })

  it.each(['memory:', ' memory:// '])('reads %j', text => {
    expect(parseStoreUrl(text)).toEqual({ kind: 'memory', prefix: '', label: 'memory:' })
  })

  it.each([
    ['', 'names no kind of store; write etcd://'],
    ['localhost:2379', 'names no kind of store; write etcd://'],
    ['redis://localhost', 'names no kind of store; write etcd://'],
    ['etcd:localhost', 'etcd: has no "//" after the colon'],
    ['etcd://', 'etcd: has a host that is no name'],
    ['etcd://a,,b', 'etcd: has a host that is no name'],
    ['etcd://a b', 'etcd: has a "?", a "#" or a space'],
    ['etcd://:2379', 'etcd: has a host that is no name'],
    ['etcd://::1', 'etcd: has a host that is no name'],
    ['etcd://a:0', 'etcd: has a port that is no number from 1 to 65535'],
    ['etcd://a:65536', 'etcd: has a port that is no number from 1 to 65535'],
    ['etcd://a:', 'etcd: has a port that is no number from 1 to 65535'],
    ['etcd://@a', 'etcd: has an "@", but no user before it'],
    ['etcd://:x@a', 'etcd: has an "@", but no user before it'],
    ['etcd://a/b?timeout=1', 'etcd: has a "?", a "#" or a space; give other settings'],
    ['etcd://a/%zz', 'etcd: has a "%" in its prefix'],
    ['etcd://a/b/../c', 'etcd: has an empty, "." or ".." part in its prefix'],
    ['etcd://a/b//c', 'etcd: has an empty, "." or ".." part in its prefix'],
    ['consul://a,b', 'consul: names several hosts; name one'],
    ['consul://token@a', 'consul: has a user or a token before "@"'],
    ['file:', 'file: names no folder; write file:///folder'],
    ['file:///', 'file: names no folder'],
    ['file://store', 'file: names no folder'],
    ['memory://a', 'memory: has nothing after the colon'],
  ])('refuses %j', (text, message) => {
    expect(refusal(text)).toContain(message)
  })

  it.each([
    'etcd://root:hunter2',
    'etcd://root:hunter2/x',
    'etcd://root:hunter2?@host',
    'etcd://root:hunter2/a@host',
    'etcd://root:a#hunter2@host',
    'etcd://root:a@hunter2@host',
    'etcd://root:hunter2%@host',
    'etcd://root:hunter2@ho st',
    'etcd://root:hunter2@host:x',
    'etcd://root:hunter2@',
    'etcd:/root:hunter2@host',
    'etcd//root:hunter2@host',
    'redis://root:hunter2@host',
    'consul://root:hunter2@host',
    'consul://hunter2@host',
    'memory:hunter2',
  ])('never quotes the password of %s', text => {
    expect(refusal(text)).not.toContain('hunter2')
  })
})
