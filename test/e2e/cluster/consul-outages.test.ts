import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { startCluster, type TestCluster } from './cluster-setup.ts'
import { expectLittleHarm, itOutlivesCommonOutages } from './common-outages.ts'

describe('hosts on Consul go on, and have everything soon after', () => {
  let cluster: TestCluster
  beforeAll(async () => {
    cluster = await startCluster('consul', { hosts: ['host-a', 'host-b', 'host-c'] })
  })
  afterAll(() => cluster?.[Symbol.asyncDispose]())
  expectLittleHarm(() => cluster)
  itOutlivesCommonOutages(() => cluster)

  it('a link that goes silent, until they notice it', async () => {
    cluster.proxy.freeze()
    await cluster.put('rolling-1', 'v3')
    await cluster.untilAllSay({ connected: false }, 20_000)
    cluster.proxy.thaw()
    await cluster.compare()
  }, 40_000)

  it('an agent that is paused', async () => {
    cluster.server.pause()
    await sleep(2_000)
    cluster.server.resume()
    await cluster.put('rolling-0', 'v3')
    await cluster.compare()
  })
})
