import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startCluster, type TestCluster } from './cluster-setup.ts'
import { statusOf } from './compare.ts'

/** From the return of the store until every host has what it says. */
const CONVERGED_MS = 5_000

describe('without the store', { timeout: 60_000 }, () => {
  let clusters: TestCluster[]
  beforeAll(async () => {
    const options = { hosts: ['host-a', 'host-b'], nodeTtl: '3s' }
    clusters = await Promise.all([startCluster('etcd', options), startCluster('consul', options)])
  })
  afterAll(() => Promise.all((clusters ?? []).map(cluster => cluster[Symbol.asyncDispose]())))
  afterEach(() => {
    for (const cluster of clusters) cluster.expectNoHarm()
  })

  /** Most of it is waiting. */
  async function onEach(test: (cluster: TestCluster) => Promise<void>): Promise<void> {
    await Promise.all(clusters.map(test))
  }

  async function served(cluster: TestCluster, id: string): Promise<string[]> {
    const { functions } = await statusOf(cluster.host(id).port)
    return functions.map(({ name }) => name).sort()
  }

  it('a host starts from its snapshot, and has what was changed meanwhile within 5 s', () =>
    onEach(async cluster => {
      await cluster.put('leaving', 'v1')
      await cluster.compare()
      await cluster.proxy.cut()
      await cluster.stopHost('host-a')
      await cluster.put('rolling-0', 'v2')
      await cluster.put('arriving', 'v1')
      await cluster.functions.unregister('leaving')

      const { cli, port } = await cluster.startHost('host-a')
      const told = cli.lines.map(({ msg }) => msg)
      expect(told).toContainEqual(
        expect.stringMatching(/^the store does not answer: starting from/),
      )
      const { controlPlane } = await statusOf(port)
      const membership = expect.objectContaining({ registered: false })
      expect(controlPlane).toMatchObject({ startedFrom: 'snapshot', connected: false, membership })
      expect(await cli.get('/_metrics')).toMatch(/^fezz_store_connected(?:\{.*\})? 0$/m)
      expect(await cli.get('/_health')).toBe('OK')
      expect(await cli.get('/leaving')).toBe('leaving v1')
      expect(await cluster.host('host-b').cli.get('/leaving')).toBe('leaving v1')
      // Until attempts are as far apart as they get.
      await sleep(3_000)

      await cluster.proxy.heal()
      const convergedMs = await cluster.compare(CONVERGED_MS)
      console.log(`${cluster.kind}: converged ${Math.round(convergedMs)} ms after it was back`)
    }))

  it('a host that has no snapshot waits, and says so', () =>
    onEach(async cluster => {
      await cluster.proxy.cut()
      const { cli } = await cluster.beginHost('host-c')
      await cli.line(({ msg }) => msg.startsWith('waiting for the store'))
      expect((await cli.fetch('/_health')).status).toBe(503)
      const answer = await cli.fetch('/steady-0')
      expect([answer.status, await answer.json()]).toMatchObject([503, { code: 'STARTING' }])
      await cluster.proxy.heal()
      await cli.line(({ msg }) => msg === 'ready')
      await cluster.compare(CONVERGED_MS)
      await cluster.stopHost('host-c')
      cluster.hosts.delete('host-c')
      await cluster.compare()
    }))

  it('and with its data lost hosts serve on, until it has been put back', () =>
    onEach(async cluster => {
      const before = await served(cluster, 'host-a')
      await cluster.server.kill()
      await cluster.wipeServer()
      await cluster.restartServer()
      await cluster.untilAllSay({ suspect: true, connected: true })
      expect(await served(cluster, 'host-a')).toEqual(before)
      const metrics = await cluster.host('host-a').cli.get('/_metrics')
      expect(metrics).toMatch(/^fezz_store_suspect(?:\{.*\})? 1$/m)
      // One that starts now knows it from its snapshot.
      await cluster.stopHost('host-b')
      await cluster.startHost('host-b')
      await cluster.untilAllSay({ suspect: true })
      expect(await served(cluster, 'host-b')).toEqual(before)

      const isKept = (id: string) => cluster.kind === 'consul' || id !== 'arriving'
      const kept = before.filter(isKept)
      for (const id of kept) await cluster.put(id, id.startsWith('rolling') ? 'v9' : 'v1')
      // What is not put back goes when the store is believed: after 10 s, seen once.
      await cluster.compare(kept.length < before.length ? 15_000 : CONVERGED_MS)
      expect(await served(cluster, 'host-a')).toEqual(kept)
    }))
})
