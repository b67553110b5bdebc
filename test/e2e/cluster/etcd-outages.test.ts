import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { NODES, STATUS } from '../../../src/control-plane/keys.ts'
import type { Etcd } from '../../services/etcd.ts'
import { startCluster, type TestCluster } from './cluster-setup.ts'
import { expectLittleHarm, itOutlivesCommonOutages } from './common-outages.ts'

describe('hosts on etcd go on, and have everything soon after', () => {
  let cluster: TestCluster
  beforeAll(async () => {
    cluster = await startCluster('etcd', { hosts: ['host-a', 'host-b', 'host-c'] })
  })
  afterAll(() => cluster?.[Symbol.asyncDispose]())
  expectLittleHarm(() => cluster)
  itOutlivesCommonOutages(() => cluster)

  it('a compaction past what they have seen, while the link is cut', async () => {
    await cluster.put('gone', 'v1')
    await cluster.compare()
    await cluster.proxy.cut()
    for (let version = 3; version < 10; version++) await cluster.put('rolling-0', `v${version}`)
    await cluster.functions.unregister('gone')
    const { revision } = await cluster.store.list('fezz/')
    await (cluster.server as Etcd).etcdctl(['compact', '--physical', revision])
    await cluster.proxy.heal()
    await cluster.compare()
  })

  it('a compaction past what they have seen, without their noticing the outage', async () => {
    cluster.proxy.freeze()
    await cluster.put('rolling-0', 'v10')
    const { revision } = await cluster.store.list('fezz/')
    await (cluster.server as Etcd).etcdctl(['compact', '--physical', revision])
    cluster.proxy.thaw()
    await cluster.compare()
  })

  it('an operator who deletes what they say of themselves, and writes something else', async () => {
    const etcd = cluster.server as Etcd
    for (const prefix of [STATUS, NODES]) await etcd.etcdctl(['del', '--prefix', prefix])
    await cluster.compare()
    await etcd.etcdctl(['put', `${NODES}host-a`, 'something else'])
    await cluster.compare()
  })

  it('a link that goes silent, and forgets what it held', async () => {
    cluster.proxy.freeze()
    await cluster.put('rolling-1', 'v3')
    await sleep(1_000)
    cluster.proxy.reset()
    cluster.proxy.thaw()
    await cluster.compare()
  })
})
