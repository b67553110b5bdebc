import { rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { EtcdStore, type EtcdStoreOptions } from '../../src/control-plane/etcd/etcd-store.ts'
import type { StoreChange } from '../../src/control-plane/store.ts'
import { Follower, pictureOf } from '../contract/store-follower.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { startTcpProxy } from '../helpers/tcp-proxy.ts'
import { startEtcd } from '../services/etcd.ts'

const log = { debug: () => {} }
const KEY = 'fezz/a'
const PREFIX = 'fezz/'

function open(endpoint: string, options: Partial<EtcdStoreOptions> = {}): EtcdStore {
  return new EtcdStore({ endpoints: [endpoint], log, ...options })
}

/** Tries until it succeeds, as the layers above do. */
async function eventually<T>(attempt: () => Promise<T>, withinMs = 10_000): Promise<T> {
  const deadlineMs = performance.now() + withinMs
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (performance.now() > deadlineMs) throw error
      await delay(50)
    }
  }
}

async function timed<T>(work: Promise<T>): Promise<number> {
  const beganMs = performance.now()
  await work
  return performance.now() - beganMs
}

describe.concurrent('a watch', () => {
  it('is lost when its revision is compacted, before it begins', async () => {
    await using etcd = await startEtcd()
    await using store = open(etcd.endpoint)
    const { revision } = await store.list(PREFIX)
    for (let put = 0; put < 5; put++) await store.put(KEY, `${put}`)
    await etcd.etcdctl(['compact', (await store.list(PREFIX)).revision])
    const changes = store.watch(PREFIX, revision, new AbortController().signal)
    const first = changes[Symbol.asyncIterator]().next()
    await expect(first).rejects.toMatchObject({ code: 'WATCH_LOST', message: /compacted/ })
  })

  it('goes on when what it has told is compacted', async () => {
    await using etcd = await startEtcd()
    await using store = open(etcd.endpoint)
    await using follower = await Follower.start(store, PREFIX)
    const revision = await store.put(KEY, '1')
    await follower.untilHas(KEY, '1')
    await etcd.etcdctl(['compact', revision])
    await store.put(KEY, '2')
    await follower.untilHas(KEY, '2')
  })

  it('misses nothing while the network hangs, though history is compacted', async () => {
    await using etcd = await startEtcd()
    await using proxy = await startTcpProxy({ port: etcd.port })
    await using store = open(`http://127.0.0.1:${proxy.port}`)
    await using writer = open(etcd.endpoint)
    const from = await store.list(PREFIX)
    const follower = new Follower(store, PREFIX, from)
    await writer.put(KEY, '0')
    await follower.untilHas(KEY, '0')
    proxy.freeze()
    for (let put = 1; put <= 3; put++) await writer.put(KEY, `${put}`)
    await etcd.etcdctl(['compact', (await writer.list(PREFIX)).revision])
    proxy.thaw()
    await follower.untilHas(KEY, '3')
    expect(await follower.stop()).toBeUndefined()
  })

  it('ends when its server is killed, and a new one works with the same store', async () => {
    await using etcd = await startEtcd()
    await using store = open(etcd.endpoint)
    const follower = await Follower.start(store, PREFIX)
    await store.put(KEY, '1')
    await follower.untilHas(KEY, '1')
    await etcd.kill()
    expect(await follower.ended).toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await expect(store.list(PREFIX)).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringMatching(
        new RegExp(`${etcd.endpoint} does not answer: .*ECONNREFUSED`),
      ),
    })
    await etcd.restart()
    const backMs = await timed(eventually(() => store.list(PREFIX)))
    expect(backMs).toBeLessThan(2_500)
    await using again = await Follower.start(store, PREFIX)
    expect(again.picture.get(KEY)).toBe('1')
    await store.put(KEY, '2')
    await again.untilHas(KEY, '2')
  })

  it.each(['a stopped server', 'a network that swallows everything'] as const)(
    'ends within 15 s at %s, and calls within their limit',
    async cause => {
      await using etcd = await startEtcd()
      await using proxy = await startTcpProxy({ port: etcd.port })
      await using store = open(`http://127.0.0.1:${proxy.port}`, { timeoutMs: 1_000 })
      const follower = await Follower.start(store, PREFIX)
      await store.put(KEY, '1')
      await follower.untilHas(KEY, '1')
      const isServer = cause === 'a stopped server'
      if (isServer) etcd.pause()
      else proxy.freeze()
      try {
        const listMs = await timed(expectUnavailable(store.list(PREFIX)))
        expect(listMs).toBeGreaterThan(900)
        expect(listMs).toBeLessThan(1_500)
        expect(await timed(expectUnavailable(store.put(KEY, '2')))).toBeLessThan(1_500)
        expect(await timed(expectUnavailable(store.lease(5_000)))).toBeLessThan(1_500)
        expect(await timed(follower.ended)).toBeLessThan(15_000)
        expect(await follower.ended).toMatchObject({ code: 'STORE_UNAVAILABLE' })
      } finally {
        if (isServer) etcd.resume()
        else proxy.thaw()
      }
      expect(await timed(eventually(() => store.list(PREFIX)))).toBeLessThan(3_000)
      await using again = await Follower.start(store, PREFIX)
      const value = `after ${cause}`
      await store.put(KEY, value)
      await again.untilHas(KEY, value)
    },
    40_000,
  )

  it('ends within 15 s when all that happens is that the network swallows everything', async () => {
    await using etcd = await startEtcd()
    await using proxy = await startTcpProxy({ port: etcd.port })
    await using store = open(`http://127.0.0.1:${proxy.port}`)
    const follower = await Follower.start(store, PREFIX)
    await store.put(KEY, '1')
    await follower.untilHas(KEY, '1')
    proxy.freeze()
    const silentMs = await timed(follower.ended)
    expect(silentMs).toBeGreaterThan(3_000)
    expect(silentMs).toBeLessThan(15_000)
    expect(await follower.ended).toMatchObject({ code: 'STORE_UNAVAILABLE' })
  }, 30_000)

  it('stays when nothing happens for longer than a silence may last', async () => {
    await using etcd = await startEtcd()
    await using store = open(etcd.endpoint)
    await using follower = await Follower.start(store, PREFIX)
    // Under another prefix: the watch has to catch up over revisions that say nothing to it.
    await store.put('other/a', '1')
    await delay(16_000)
    await store.put(KEY, '1')
    await follower.untilHas(KEY, '1')
    expect((await etcd.calls()).get('Watch')).toBe(1)
  }, 30_000)

  it('is lost when etcd comes back without its data', async () => {
    await using etcd = await startEtcd()
    await using store = open(etcd.endpoint)
    for (let put = 0; put < 20; put++) await store.put(KEY, `${put}`)
    const before = await store.list(PREFIX)
    await etcd.kill()
    await rm(etcd.dataDir, { recursive: true })
    await etcd.restart()
    await eventually(() => store.put('other/a', '1'))
    const changes = store.watch(PREFIX, before.revision, new AbortController().signal)
    await expect(changes[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'WATCH_LOST',
      message: expect.stringMatching(/at revision \d+, and was at \d+ before/),
    })
    await using follower = await Follower.start(store, PREFIX)
    expect(follower.picture.size).toBe(0)
    await store.put(KEY, 'new')
    await follower.untilHas(KEY, 'new')
  })
})

describe.concurrent('a lease', () => {
  it('survives an outage shorter than itself', async () => {
    await using etcd = await startEtcd()
    await using store = open(etcd.endpoint, { timeoutMs: 1_000 })
    await using lease = await store.lease(6_000)
    await store.put(KEY, '1', { lease })
    await etcd.kill()
    await delay(2_500)
    await etcd.restart()
    await delay(6_000)
    expect((await eventually(() => store.list(PREFIX))).entries.has(KEY)).toBe(true)
  }, 30_000)

  it('is lost when the server has been silent for as long as it lives', async () => {
    await using etcd = await startEtcd()
    await using store = open(etcd.endpoint, { timeoutMs: 1_000 })
    const lease = await store.lease(3_000)
    etcd.pause()
    try {
      const lostMs = await timed(lease.lost)
      expect(lostMs).toBeGreaterThan(1_900)
      expect(lostMs).toBeLessThan(3_500)
      expect(await lease.lost).toMatch(/not confirmed/)
    } finally {
      etcd.resume()
    }
    await lease.revoke()
  }, 20_000)

  it('is confirmed three times in its life, and lost with the pause of the whole process', async () => {
    await using etcd = await startEtcd()
    const clock = new FakeClock()
    await using store = open(etcd.endpoint, { clock })
    const lease = await store.lease(60_000)
    const signs = async () => (await etcd.calls()).get('LeaseKeepAlive') ?? 0
    for (let sign = 1; sign <= 4; sign++) {
      await clock.advance(20_000)
      await eventually(async () => expect(await signs()).toBe(sign))
      // The answer sets the next timer.
      await eventually(async () => expect(clock.nextInMs).toBe(20_000))
    }
    await clock.stall(59_999)
    await eventually(async () => expect(await signs()).toBe(5))
    await eventually(async () => expect(clock.nextInMs).toBe(20_000))
    await clock.stall(60_000)
    expect(await lease.lost).toMatch(/not confirmed it for 60000 ms/)
    expect(clock.pending).toBe(0)
  })

  it('that has ended lets nothing be put', async () => {
    await using etcd = await startEtcd()
    await using store = open(etcd.endpoint)
    const lease = await store.lease(5_000)
    await etcd.etcdctl(['lease', 'revoke', BigInt(await leaseId(etcd.endpoint)).toString(16)])
    await expect(store.put(KEY, '1', { lease })).rejects.toMatchObject({ code: 'CONFLICT' })
    await expect(store.put(KEY, '1', { lease, ifRevision: null })).rejects.toMatchObject({
      code: 'CONFLICT',
    })
    expect(await lease.lost).toMatch(/no such lease/)
    expect((await store.list(PREFIX)).entries.size).toBe(0)
  })
})

describe('the changes of a watch', () => {
  it('are lost to whoever is too far behind in taking them', async () => {
    await using etcd = await startEtcd()
    await using store = open(etcd.endpoint)
    const { revision } = await store.list(PREFIX)
    const { signal } = new AbortController()
    const changes = store.watch(PREFIX, revision, signal)[Symbol.asyncIterator]()
    const first = changes.next()
    await store.put(`${PREFIX}first`, '1')
    await first
    // 100 keys in each change, which is one transaction.
    for (let put = 0; put < 250; put++) await etcdTransaction(etcd.endpoint, 100)
    const taken: StoreChange[] = []
    const end = async () => {
      for (;;) taken.push((await changes.next()).value as StoreChange)
    }
    await expect(end()).rejects.toMatchObject({ code: 'WATCH_LOST', message: /wait to be taken/ })
    // Until then everything was told.
    expect(taken.flatMap(change => change.events).length).toBe(20_000)
    expect(pictureOf(await store.list(PREFIX)).size).toBe(101)
  }, 30_000)
})

describe('several endpoints', () => {
  it('are asked one after the other until one answers', async () => {
    await using etcd = await startEtcd()
    await using proxy = await startTcpProxy({ port: etcd.port })
    const endpoints = [`http://127.0.0.1:${proxy.port}`, etcd.endpoint]
    await using store = new EtcdStore({ endpoints, log, random: () => 0 })
    await store.put(KEY, '1')
    expect(proxy.connections).toBe(1)
    await using lease = await store.lease(3_000)
    await store.put(`${PREFIX}lease`, '1', { lease })
    await proxy.cut()
    // A read may be sent twice; a write only to whoever is there.
    expect((await store.list(PREFIX)).entries.size).toBe(2)
    await store.put(KEY, '2')
    await using other = new EtcdStore({ endpoints, log, random: () => 0 })
    await other.put(KEY, '3')
    expect((await store.list(PREFIX)).entries.get(KEY)?.value).toBe('3')
    await delay(4_000)
    expect((await store.list(PREFIX)).entries.size).toBe(2)
  }, 20_000)

  it('are tried within the limit of one call when the first says nothing', async () => {
    await using etcd = await startEtcd()
    await using proxy = await startTcpProxy({ port: etcd.port })
    const endpoints = [`http://127.0.0.1:${proxy.port}`, etcd.endpoint]
    await using store = new EtcdStore({ endpoints, log, random: () => 0, timeoutMs: 2_000 })
    await store.put(KEY, '1')
    proxy.freeze()
    const listMs = await timed(store.list(PREFIX))
    expect(listMs).toBeGreaterThan(900)
    expect(listMs).toBeLessThan(1_500)
    expect(await timed(store.list(PREFIX))).toBeLessThan(500)
  })
})

async function expectUnavailable(call: Promise<unknown>): Promise<void> {
  await expect(call).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
}

/** Through etcd's own gateway from JSON to gRPC. */
async function gateway(endpoint: string, path: string, body: object): Promise<unknown> {
  const init = { method: 'POST', body: JSON.stringify(body) }
  const response = await fetch(`${endpoint}/v3/${path}`, init)
  expect(response.status).toBe(200)
  return response.json()
}

async function etcdTransaction(endpoint: string, keys: number): Promise<void> {
  const success = Array.from({ length: keys }, (_, index) => ({
    requestPut: { key: btoa(`${PREFIX}${index}`), value: btoa('x') },
  }))
  await gateway(endpoint, 'kv/txn', { success })
}

async function leaseId(endpoint: string): Promise<string> {
  const { leases } = (await gateway(endpoint, 'lease/leases', {})) as { leases: [{ ID: string }] }
  return leases[0].ID
}
