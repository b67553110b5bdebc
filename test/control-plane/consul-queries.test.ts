import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConsulStore } from '../../src/control-plane/consul/consul-store.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { Follower, pictureOf } from '../contract/store-follower.ts'
import { type Consul, consulProgram, startConsul } from '../services/consul.ts'

const log = createLogger({ level: 'silent' })
const STORE = new URL('../../src/control-plane/consul/consul-store.ts', import.meta.url).href

describe.skipIf((await consulProgram()) === undefined)('the queries of a Consul store', () => {
  let consul: Consul

  beforeAll(async () => {
    consul = await startConsul()
  })

  afterAll(() => consul?.[Symbol.asyncDispose]())

  const open = () => new ConsulStore({ endpoint: consul.endpoint, log })
  const reads = async () => (await consul.calls()).get('GET.v1.kv') ?? 0

  it('tell nothing when others write elsewhere', async () => {
    await using store = open()
    await using other = open()
    await other.put('quiet/there', '1')
    await using follower = await Follower.start(store, 'quiet/')
    // Nothing was ever there, so Consul wakes this one up for every write.
    await using nowhere = await Follower.start(store, 'empty/')
    for (let n = 0; n < 20; n++) await other.put(`noise/${n}`, `${n}`)
    await other.put('quiet/end', '1')
    await other.put('empty/end', '1')
    await follower.untilHas('quiet/end', '1')
    await nowhere.untilHas('empty/end', '1')
    expect(follower.keysTold).toEqual(['quiet/end'])
    expect(nowhere.keysTold).toEqual(['empty/end'])
    expect([follower.changes.length, nowhere.changes.length]).toEqual([1, 1])
  })

  it('stay few while another client writes 1,000 times', async () => {
    await using store = open()
    await using other = open()
    await using follower = await Follower.start(store, 'storm/')
    const before = await reads()
    const startedMs = performance.now()
    const left = Array.from({ length: 1_000 }, (_, n) => n)
    const write = async () => {
      for (let n = left.pop(); n !== undefined; n = left.pop()) {
        await other.put(`storm/${n % 100}`, `${n}`)
      }
    }
    await Promise.all(Array.from({ length: 5 }, write))
    await other.put('storm/end', 'end')
    await follower.untilHas('storm/end', 'end')
    const seconds = (performance.now() - startedMs) / 1_000
    // Ten at once, two a second, and the probes.
    expect((await reads()) - before).toBeLessThanOrEqual(11 + 2.5 * seconds)
    expect(follower.picture).toEqual(pictureOf(await other.list('storm/')))
  })

  it('let the process end once the store is closed', async () => {
    const script = `
      const { ConsulStore } = await import(${JSON.stringify(STORE)})
      const log = { debug() {}, info() {}, warn() {}, error() {} }
      const store = new ConsulStore({ endpoint: ${JSON.stringify(consul.endpoint)}, log })
      const { revision } = await store.list('end/')
      await store.lease(20_000)
      const { signal } = new AbortController()
      const next = store.watch('end/', revision, signal)[Symbol.asyncIterator]().next()
      await store.put('other/1', '1')
      await store.close()
      await next.catch(error => console.log(error.code, error.message))`
    const env = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !name.startsWith('FEZZ_')),
    )
    const args = ['--input-type=module', '--eval', script]
    const { stdout } = await promisify(execFile)(process.execPath, args, { env, timeout: 10_000 })
    expect(stdout).toBe('STORE_UNAVAILABLE the Consul store is closed\n')
  })

  it('refuse a value that is too large, by key and size', async () => {
    await using store = open()
    await expect(store.put('large/1', 'v'.repeat(400_000))).rejects.toMatchObject({
      code: 'INVALID_ENTRY',
      message: expect.stringMatching(/large\/1.* 400000 bytes/),
    })
    await store.put('large/2', 'v'.repeat(390_000))
  })
})
