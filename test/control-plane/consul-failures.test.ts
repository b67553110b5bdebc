import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  ConsulStore,
  type ConsulStoreOptions,
} from '../../src/control-plane/consul/consul-store.ts'
import { compareRevisions } from '../../src/control-plane/store.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { Follower, pictureOf } from '../contract/store-follower.ts'
import { startTcpProxy, type TcpProxy } from '../helpers/tcp-proxy.ts'
import { type Consul, consulProgram, startConsul } from '../services/consul.ts'

const log = createLogger({ level: 'silent' })
const unavailable = expect.objectContaining({ code: 'STORE_UNAVAILABLE' })

interface ForgetfulLeader extends AsyncDisposable {
  readonly endpoint: string
  /** How many renewals were asked for, and how many of them it denies: the first ones. */
  readonly renewals: number
  readonly denied: number
}

/** Passes everything on to Consul, but answers the first renewals with 404. */
async function startForgetfulLeader(consul: string): Promise<ForgetfulLeader> {
  const denied = 2
  let renewals = 0
  const server = createServer((asked, answer) => {
    const { method, url = '', headers } = asked
    if (url.startsWith('/v1/session/renew/') && ++renewals <= denied) {
      answer.writeHead(404).end('Session id not found')
      return
    }
    const passedOn = request(consul + url, { method, headers }, known => {
      answer.writeHead(known.statusCode as number, known.headers)
      known.pipe(answer)
    })
    asked.pipe(passedOn)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    denied,
    get renewals() {
      return renewals
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

describe.skipIf((await consulProgram()) === undefined)('a Consul store in trouble', () => {
  let consul: Consul
  let proxy: TcpProxy
  let store: ConsulStore
  /** Past the proxy. */
  let direct: ConsulStore

  beforeEach(async () => {
    consul = await startConsul({ settings: { session_ttl_min: '1s' } })
    proxy = await startTcpProxy({ port: consul.port })
    store = open()
    direct = new ConsulStore({ endpoint: consul.endpoint, log })
  })

  afterEach(async () => {
    await Promise.all([store.close(), direct.close()])
    await proxy[Symbol.asyncDispose]()
    await consul[Symbol.asyncDispose]()
  })

  function open(options: Partial<ConsulStoreOptions> = {}): ConsulStore {
    const endpoint = `http://127.0.0.1:${proxy.port}`
    return new ConsulStore({
      endpoint,
      log,
      timeoutMs: 1_000,
      probeEveryMs: 500,
      minSessionTtlMs: 1_000,
      ...options,
    })
  }

  it('says so when the agent is down, and goes on with its data when it is back', async () => {
    const first = await store.put('a/1', '1')
    await using follower = await Follower.start(store, 'a/')
    await consul.kill()
    expect(await follower.ended).toEqual(unavailable)
    await expect(store.list('a/')).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining(`http://127.0.0.1:${proxy.port}`),
    })
    await expect(store.put('a/2', '2')).rejects.toEqual(unavailable)
    await consul.restart()
    const listing = await store.list('a/')
    expect(listing.entries.get('a/1')).toEqual({ value: '1', revision: first })
    expect(compareRevisions(first, await store.put('a/2', '2'))).toBeLessThan(0)
  })

  it('loses the watch when the index went backwards', async () => {
    await using patient = open({ waitMs: 500 })
    for (let n = 0; n < 100; n++) await patient.put('a/1', `${n}`)
    const listing = await patient.list('a/')
    await consul.kill()
    await rm(consul.dataDir, { recursive: true })
    await consul.restart()
    await direct.put('a/2', 'of another history')
    const follower = new Follower(patient, 'a/', listing)
    expect(await follower.ended).toMatchObject({ code: 'WATCH_LOST' })
    expect(follower.changes).toEqual([])
    const anew = await patient.list('a/')
    expect(pictureOf(anew)).toEqual(new Map([['a/2', 'of another history']]))
    expect(compareRevisions(anew.revision, listing.revision)).toBeLessThan(0)
    await using next = new Follower(patient, 'a/', anew)
    await direct.put('a/3', '3')
    await next.untilHas('a/3', '3')
  })

  it('loses a watch from a revision that it has not listed', async () => {
    const { revision } = await direct.list('a/')
    const { signal } = new AbortController()
    const changes = store.watch('a/', revision, signal)[Symbol.asyncIterator]()
    await expect(changes.next()).rejects.toMatchObject({ code: 'WATCH_LOST' })
  })

  it.each(['agent', 'link'] as const)('notices in time that the %s is frozen', async what => {
    await using follower = await Follower.start(store, 'a/')
    await direct.put('a/1', '1')
    await follower.untilHas('a/1', '1')
    const [freeze, thaw] =
      what === 'agent'
        ? [() => consul.pause(), () => consul.resume()]
        : [() => proxy.freeze(), () => proxy.thaw()]
    freeze()
    const startedMs = performance.now()
    await expect(store.list('a/')).rejects.toEqual(unavailable)
    expect(performance.now() - startedMs).toBeLessThan(1_500)
    expect(await follower.ended).toEqual(unavailable)
    expect(performance.now() - startedMs).toBeLessThan(2_500)
    thaw()
    await expect.poll(() => store.list('a/').catch(() => {}), { timeout: 15_000 }).toBeDefined()
    await using next = await Follower.start(store, 'a/')
    await direct.put('a/2', '2')
    await next.untilHas('a/2', '2')
  })

  it('fails at once when the agent dies in the middle of an answer', async () => {
    const value = 'v'.repeat(300_000)
    for (let n = 0; n < 40; n++) await direct.put(`a/${n}`, value)
    await using patient = open({ timeoutMs: 600_000 })
    await patient.list('b/')
    const before = proxy.bytesDown
    const listed = patient.list('a/').catch((error: unknown) => error)
    while (proxy.bytesDown < before + 1_000_000) await setImmediate()
    await consul.kill()
    expect(await listed).toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })

  it('gives a lease up when it could not be renewed for its whole time', async () => {
    const lease = await store.lease(2_000)
    await store.put('a/1', '1', { lease })
    proxy.freeze()
    const frozenMs = performance.now()
    expect(await lease.lost).toContain('not confirmed')
    expect(performance.now() - frozenMs).toBeLessThan(2_500)
    await expect(store.put('a/1', '2', { lease })).rejects.toThrow(/lease.*take a new one/)
    proxy.thaw()
    await using next = await store.lease(2_000)
    await store.put('a/1', '3', { lease: next })
    expect(pictureOf(await direct.list('a/'))).toEqual(new Map([['a/1', '3']]))
  })

  it('keeps a lease whose session a leader denies that has not read its log yet', async () => {
    // Consul does so for a few milliseconds after a restart.
    await using leader = await startForgetfulLeader(consul.endpoint)
    await using patient = open({ endpoint: leader.endpoint })
    await using lease = await patient.lease(2_000)
    await expect.poll(() => leader.renewals, { timeout: 5_000 }).toBeGreaterThan(leader.denied)
    await patient.put('a/1', '1', { lease })
    expect((await direct.list('a/')).entries.size).toBe(1)
  })

  it('keeps a lease over a restart of the agent', async () => {
    await using lease = await store.lease(8_000)
    await store.put('a/1', '1', { lease })
    await consul.kill()
    await consul.restart()
    await store.put('a/2', '2', { lease })
    expect((await direct.list('a/')).entries.size).toBe(2)
  })
})
