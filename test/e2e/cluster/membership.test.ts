import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { NODES } from '../../../src/control-plane/keys.ts'
import { startCluster, type StoreKind, type TestCluster } from './cluster-setup.ts'

describe.each<StoreKind>(['etcd', 'consul'])('as nodes in %s', kind => {
  let cluster: TestCluster
  beforeAll(async () => {
    cluster = await startCluster(kind, { hosts: ['host-a', 'host-b'], nodeTtl: '2s' })
  })
  afterAll(() => cluster?.[Symbol.asyncDispose]())
  afterEach(() => {
    expect(cluster.requester.failures).toEqual([])
  })

  const nodes = async () => [...(await cluster.store.list(NODES)).entries.keys()].map(key => key.slice(NODES.length))

  it('a host that is paused for longer than its TTL leaves the store, and is back afterwards', async () => {
    const { cli } = cluster.host('host-b')
    cli.child.kill('SIGSTOP')
    const t = performance.now()
    await expect.poll(nodes, { timeout: 15_000 }).toEqual(['host-a'])
    console.log(kind, 'gone after', performance.now() - t)
    await cluster.put('rolling-0', 'v2')
    await cluster.put('while-paused', 'v1')
    await sleep(1_000)
    cli.child.kill('SIGCONT')
    console.log(kind, 'back after', await cluster.compare(5_000))
  }, 30_000)

  it('a host that dies leaves the store', async () => {
    await cluster.startHost('host-c')
    await cluster.compare()
    await cluster.stopHost('host-c', 'SIGKILL')
    const t = performance.now()
    cluster.hosts.delete('host-c')
    await expect.poll(nodes, { timeout: 15_000 }).toEqual(['host-a', 'host-b'])
    console.log(kind, 'dead after', performance.now() - t)
    await cluster.compare()
  }, 30_000)

  it('the second host with one id ends, and names both', async () => {
    const first = cluster.host('host-a')
    const t = performance.now()
    const second = await cluster.beginHost('host-a')
    const { code } = await second.cli.exited
    console.log(kind, 'ended after', performance.now() - t, second.cli.stderr, second.cli.lines.map(l => l.msg))
    expect(code).toBe(1)
    cluster.hosts.set('host-a', first)
    await cluster.compare()
  }, 30_000)
})
