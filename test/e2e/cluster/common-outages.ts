import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { TestCluster } from './cluster-setup.ts'

/** Queries and connections of one host that an outage may cost; seen: 1 to 22. */
const TOLL = 40

/** Holds every test of this file to it that no request fails and that no host storms the store. */
export function expectLittleHarm(cluster: () => TestCluster): void {
  beforeEach(() => cluster().beginToll())
  afterEach(async () => {
    cluster().expectNoHarm()
    const { queries, dials } = await cluster().toll()
    expect(queries).toBeLessThan(TOLL)
    expect(dials).toBeLessThan(TOLL)
  })
}

/** What can happen to any store. */
export function itOutlivesCommonOutages(cluster: () => TestCluster): void {
  it('a crash and a restart of the server', async () => {
    await cluster().server.kill()
    await cluster().untilAllSay({ connected: false })
    await sleep(2_000)
    await cluster().restartServer()
    await cluster().put('rolling-0', 'v2')
    await cluster().compare()
  })

  it('a link that is cut', async () => {
    await cluster().proxy.cut()
    await cluster().untilAllSay({ connected: false })
    await cluster().put('rolling-1', 'v2')
    await sleep(1_000)
    await cluster().proxy.heal()
    await cluster().compare()
  })
}
