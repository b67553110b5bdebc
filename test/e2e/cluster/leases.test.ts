import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { NODES } from '../../../src/control-plane/keys.ts'
import { type StoreKind, startCluster, type TestCluster } from './cluster-setup.ts'

/** What a store needs to notice that a lease has run out; Consul knows none of less than 20 s. */
const GONE_MS: Record<StoreKind, number> = { etcd: 2_000 + 1_500, consul: 20_000 + 3_000 }

async function untilNodesAre(ids: readonly string[], { kind, store }: TestCluster): Promise<void> {
  const expected = ids.map(id => NODES + id)
  const look = async () => expect([...(await store.list(NODES)).entries.keys()]).toEqual(expected)
  await vi.waitFor(look, { timeout: GONE_MS[kind] })
}

describe.concurrent('the node of a host', { timeout: 60_000 }, () => {
  it.each<StoreKind>(['etcd', 'consul'])(
    'that is paused for longer than its TTL leaves %s, and is back afterwards',
    async kind => {
      await using cluster = await startCluster(kind, { nodeTtl: '2s' })
      const { cli } = cluster.host('host-b')
      cli.child.kill('SIGSTOP')
      await untilNodesAre(['host-a'], cluster)
      await cluster.put('rolling-0', 'v2')
      await cluster.put('while-paused', 'v1')
      cli.child.kill('SIGCONT')
      await cluster.compare(5_000)
      cluster.expectNoHarm()
    },
  )

  it('is back when etcd was paused for longer than leases last', async () => {
    await using cluster = await startCluster('etcd')
    await cluster.beginToll()
    cluster.server.pause()
    await sleep(20_000)
    const membership = expect.objectContaining({ registered: false })
    await cluster.untilAllSay({ connected: false, membership })
    cluster.server.resume()
    await cluster.put('rolling-0', 'v2')
    await cluster.compare(5_000)
    cluster.expectNoHarm()
    const { queries, dials } = await cluster.toll()
    expect(Math.max(queries, dials)).toBeLessThan(60)
  })

  it('that has died leaves etcd; and a second host with one id ends and names both', async () => {
    await using cluster = await startCluster('etcd', { nodeTtl: '2s' })
    await cluster.stopHost('host-b', 'SIGKILL')
    cluster.hosts.delete('host-b')
    await untilNodesAre(['host-a'], cluster)

    const first = cluster.host('host-a')
    cluster.hosts.delete('host-a')
    const { cli, port } = await cluster.beginHost('host-a')
    cluster.hosts.set('host-a', first)
    expect((await cli.exited).code).toBe(1)
    expect(cli.stderr).toContain('two hosts have the node id "host-a"')
    expect(cli.stderr).toContain(`127.0.0.1:${first.port} `)
    expect(cli.stderr).toContain(`127.0.0.1:${port} `)
    await cluster.compare()
    cluster.expectNoHarm()
  })
})
