import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type OpenStoreOptions, openStore } from '../../src/control-plane/open-store.ts'
import { parseStoreUrl } from '../../src/control-plane/store-url.ts'
import { createLogger } from '../../src/telemetry/logger.ts'

const log = createLogger({ level: 'silent' })
const open = (url: string, options: Partial<OpenStoreOptions> = {}) =>
  openStore(parseStoreUrl(url), { log, ...options })

describe('openStore', () => {
  it('opens a store in memory', async () => {
    await using store = await open('memory:')
    expect(store.kind).toBe('memory')
    await store.put('a', '1')
    expect([...(await store.list('')).entries.keys()]).toEqual(['a'])
  })

  it('opens a folder', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fezz-open-store-'))
    try {
      await using store = await open(`file://${folder}`)
      expect(store.kind).toBe('file')
      await store.put('fezz/v1/functions/a', '{}')
      expect((await store.list('fezz/')).entries.size).toBe(1)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it.each(['etcd', 'consul'])('opens %s without a word to the server', async kind => {
    const store = await open(`${kind}://127.0.0.1:1/a`, { timeoutMs: 500 })
    expect(store.kind).toBe(kind)
    await expect(store.list('')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await store.close()
  })

  const pem = Buffer.from('pem')
  it.each<[string, Partial<OpenStoreOptions>, string]>([
    ['etcd://h', { ca: pem }, 'store etcd://h:2379 has no TLS, but is given certificates or a key'],
    ['consul://h', { key: pem }, 'write consuls://'],
    ['etcds://h', { cert: pem }, 'is given a certificate or a private key alone; give both'],
    ['consul://h', { user: 'root' }, 'has no users; leave the user out'],
    ['etcd://h', { password: 'hunter2' }, 'is given a password without a user; give both'],
    ['etcd://root:hunter2@h', { token: 'hunter2' }, 'knows no token; leave it out'],
    ['memory:', { ca: pem }, 'store memory: has no TLS'],
  ])('refuses what does not go with %s: %o', async (url, options, message) => {
    const failure = await open(url, options).catch(error => error)
    expect(failure).toMatchObject({ code: 'INVALID_CONFIG' })
    expect(failure.message).toContain(message)
    expect(failure.message).not.toContain('hunter2')
  })
})
