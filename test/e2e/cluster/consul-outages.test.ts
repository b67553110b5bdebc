import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startCluster, type TestCluster } from './cluster-setup.ts'

/** Queries and connections of one host that an outage may cost; seen: 1 to 22. */
const TOLL = 40

describe('hosts on Consul go on, and have everything soon after', () => {
  let cluster: TestCluster
  beforeAll(async () => {
    cluster = await startCluster('consul', { hosts: ['host-a', 'host-b', 'host-c'] })
  })
  afterAll(() => cluster?.[Symbol.asyncDispose]())
  beforeEach(() => cluster.beginToll())
  afterEach(async () => {
    cluster.expectNoHarm()
    const { queries, dials } = await cluster.toll()
    expect(queries).toBeLessThan(TOLL)
    expect(dials).toBeLessThan(TOLL)
  })

  it('a crash and a restart of the agent', async () => {
    await cluster.server.kill()
    await cluster.untilAllSay({ connected: false })
    await sleep(2_000)
    await cluster.restartServer()
    await cluster.put('rolling-0', 'v2')
    await cluster.compare()
  })

  it('a link that is cut', async () => {
    await cluster.proxy.cut()
    await cluster.untilAllSay({ connected: false })
    await cluster.put('rolling-1', 'v2')
    await sleep(1_000)
    await cluster.proxy.heal()
    await cluster.compare()
  })

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
