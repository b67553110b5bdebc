import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { ConsulStore } from '../../src/control-plane/consul/consul-store.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { pictureOf } from '../contract/store-follower.ts'
import { consulProgram, startConsul } from '../services/consul.ts'

const log = createLogger({ level: 'silent' })
const TOKEN = '11111111-2222-4333-8444-555555555555'
const WRONG = '99999999-2222-4333-8444-555555555555'

describe.skipIf((await consulProgram()) === undefined)('access of a Consul store', () => {
  it('is by the token, and a refusal is an error that does not tell it', async () => {
    await using consul = await startConsul({ token: TOKEN })
    const { endpoint } = consul
    await using store = new ConsulStore({ endpoint, token: TOKEN, log })
    await store.put('a/1', '1')
    expect(pictureOf(await store.list('a/'))).toEqual(new Map([['a/1', '1']]))
    await using lease = await store.lease(20_000)
    await store.put('a/2', '2', { lease })

    await using wrong = new ConsulStore({ endpoint, token: WRONG, log })
    for (const call of [() => wrong.list('a/'), () => wrong.put('a/1', '2')]) {
      const error = (await call().catch((error: unknown) => error)) as Error
      expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE' })
      expect(error.message).toMatch(/with 403: .*check the token/)
      expect(inspected(error)).not.toContain(WRONG)
    }
  }, 30_000)

  it('that is missing is an error, where Consul just lists nothing', async () => {
    await using consul = await startConsul({ token: TOKEN })
    await using anonymous = new ConsulStore({ endpoint: consul.endpoint, log })
    await expect(anonymous.list('a/')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })

  it('is over TLS with a client certificate', async () => {
    await using consul = await startConsul({ tls: true })
    const { endpoint, certificates } = consul
    if (certificates === undefined) throw new Error('no certificates')
    const { ca, clientCert: cert, clientKey: key } = certificates
    const tls = { ca: await readFile(ca), cert: await readFile(cert), key: await readFile(key) }
    await using store = new ConsulStore({ endpoint, tls, log })
    await store.put('a/1', '1')
    expect((await store.list('a/')).entries.size).toBe(1)
    for (const less of [{ ca: tls.ca }, { cert: tls.cert, key: tls.key }]) {
      await using refused = new ConsulStore({ endpoint, tls: less, log })
      await expect(refused.list('a/')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    }
  })

  it('needs an http or https endpoint, which is not told when it is wrong', () => {
    for (const endpoint of ['consul://user:secret@host', '127.0.0.1:8500', '']) {
      const make = () => new ConsulStore({ endpoint, log })
      expect(make).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }))
      expect(make).not.toThrow(/secret/)
    }
  })
})

/** Everything that a careless log line could show. */
function inspected(error: Error): string {
  const seen = new Set<unknown>()
  return JSON.stringify(error, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null) return value
    if (seen.has(value)) return undefined
    seen.add(value)
    return Object.fromEntries(
      Object.getOwnPropertyNames(value).map(name => [name, Reflect.get(value, name)]),
    )
  })
}
