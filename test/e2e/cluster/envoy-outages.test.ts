import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { NODES } from '../../../src/control-plane/keys.ts'
import { type Envoy, startEnvoy } from '../../services/envoy.ts'
import type { Etcd } from '../../services/etcd.ts'
import { freePorts } from '../../services/ports.ts'
import { dynamicConfig } from '../envoy/envoy-config.ts'
import { startCluster, type TestCluster } from './cluster-setup.ts'

describe('no request through Envoy fails, whatever becomes of the nodes in etcd:', () => {
  let cluster: TestCluster
  let envoy: Envoy
  beforeAll(async () => {
    const [xdsPort = 0, port = 0] = await freePorts(2)
    const env = { FEZZ_ENVOY_HOST: '127.0.0.1', FEZZ_ENVOY_PORT: String(port) }
    cluster = await startCluster('etcd', { hosts: ['host-a'], nodeTtl: '2s', env })
    await cluster.startHost('host-b', { FEZZ_XDS_PORT: String(xdsPort) })
    await cluster.compare()
    envoy = await startEnvoy({ config: await dynamicConfig([xdsPort]), logLevel: 'warning' })
    const asked = async () =>
      expect((await fetch(`http://127.0.0.1:${port}/steady-0`)).ok).toBe(true)
    await vi.waitFor(asked, { timeout: 10_000 })
    cluster.requester.begin({ id: 'envoy', port })
  })
  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]()
    await envoy?.[Symbol.asyncDispose]()
  })
  afterEach(() => cluster.expectNoHarm())

  it('it is paused for longer than leases last', async () => {
    cluster.server.pause()
    await sleep(4_000)
    cluster.server.resume()
    await cluster.compare()
  })

  it('an operator deletes them', async () => {
    await (cluster.server as Etcd).etcdctl(['del', '--prefix', NODES])
    await cluster.compare()
  })

  it('its data is lost, and put back', async () => {
    await cluster.server.kill()
    await cluster.wipeServer()
    await cluster.restartServer()
    await cluster.untilAllSay({ suspect: true })
    for (const id of [...cluster.steadyIds, ...cluster.rollingIds]) await cluster.put(id, 'v1')
    await cluster.compare()
  })
})
