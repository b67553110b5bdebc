import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Etcd } from '../../services/etcd.ts'
import { startCluster, type TestCluster } from './cluster-setup.ts'

const HOSTS = ['host-a', 'host-b', 'host-c']

let cluster: TestCluster
beforeAll(async () => {
  cluster = await startCluster('etcd', { hosts: HOSTS })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())
afterEach(() => {
  expect(cluster.requester.failures).toEqual([])
  for (const id of cluster.steadyIds) {
    expect(Object.values(cluster.loads(id)), id).toEqual(HOSTS.map(() => 1))
  }
})

async function told(what: string, tookMs: number, queries: number, dials: number) {
  console.log(what, Math.round(tookMs), 'ms; queries', queries, 'dials', dials, 'answered', cluster.requester.answered, 'slowest', cluster.requester.slowestMs)
}

describe('hosts on etcd', () => {
  it('go on when it is killed and started again', async () => {
    const dials = cluster.proxy.connections
    await cluster.server.kill()
    await sleep(3_000)
    await cluster.restartServer()
    await cluster.put('rolling-0', 'v2')
    const took = await cluster.compare()
    await told('kill', took, await cluster.queries(), cluster.proxy.connections - dials)
    console.log(await cluster.server.calls())
  })

  it('go on when it is compacted past what they have seen while the link is cut', async () => {
    const dials = cluster.proxy.connections
    const before = await cluster.queries()
    await cluster.proxy.cut()
    for (let version = 3; version < 10; version++) await cluster.put('rolling-0', `v${version}`)
    await cluster.put('gone', 'v1')
    await cluster.functions.unregister('gone')
    const { revision } = await cluster.store.list('fezz/')
    await (cluster.server as Etcd).etcdctl(['compact', '--physical', revision])
    await cluster.proxy.heal()
    const took = await cluster.compare()
    await told('compact', took, (await cluster.queries()) - before, cluster.proxy.connections - dials)
  })

  it('go on when the link is cut, and when it goes silent', async () => {
    const dials = cluster.proxy.connections
    const before = await cluster.queries()
    await cluster.proxy.cut()
    await cluster.put('rolling-1', 'v2')
    await sleep(1_000)
    await cluster.proxy.heal()
    let took = await cluster.compare()
    await told('cut', took, (await cluster.queries()) - before, cluster.proxy.connections - dials)
    cluster.proxy.freeze()
    await cluster.put('rolling-1', 'v3')
    const start = performance.now()
    await expect.poll(async () => (await cluster.statuses()).map(({ connected }) => connected), { timeout: 20_000 }).toEqual([false, false, false])
    console.log('noticed after', performance.now() - start)
    cluster.proxy.thaw()
    took = await cluster.compare()
    await told('freeze', took, (await cluster.queries()) - before, cluster.proxy.connections - dials)
  }, 60_000)

  it('are back when it was paused for longer than they may be silent', async () => {
    const dials = cluster.proxy.connections
    const before = await cluster.queries()
    cluster.server.pause()
    await sleep(20_000)
    console.log(JSON.stringify(await cluster.statuses()))
    cluster.server.resume()
    await cluster.put('rolling-0', 'v20')
    const took = await cluster.compare()
    await told('stop', took, (await cluster.queries()) - before, cluster.proxy.connections - dials)
    console.log(await cluster.server.calls())
    for (const { cli } of cluster.hosts.values()) console.log(cli.lines.filter(l => l.level !== 'info' || /regist|answer/.test(l.msg)).map(l => `${l['time']} ${l.level} ${l.msg} ${l['reason'] ?? ''}`))
  }, 60_000)
})
