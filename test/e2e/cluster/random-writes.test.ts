import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { randomFrom } from '../../helpers/random.ts'
import { type StoreKind, startCluster, type TestCluster } from './cluster-setup.ts'

const HOSTS = ['host-a', 'host-b'] as const
const IDS = Array.from({ length: 40 }, (_, number) => `random-${number}`)
const WRITES = 1_000
const BAD = [
  '',
  '{',
  'null',
  '{}',
  '{"manifest":{"path":"no-slash"}}',
  '{"manifest":{"path":"/x"},"code":{"sha256":"x"}}',
]
/** Queries of one host for a thousand writes and some fifty outages; seen: 65 with etcd, 190 with Consul. */
const QUERIES = 500

/** One of everything that is done to a store; versions only grow. */
async function writeOnce(cluster: TestCluster, random: () => number, version: string) {
  const oneOf = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T
  const id = oneOf(IDS)
  const kind = random()
  if (kind < 0.15) await cluster.functions.unregister(id)
  else if (kind < 0.25) await cluster.putRaw(id, oneOf(BAD))
  else if (kind < 0.35) await cluster.put(oneOf(cluster.rollingIds), version)
  else if (kind < 0.45) await cluster.put(id, version, { nodes: [oneOf(HOSTS)] })
  else if (kind < 0.55) await cluster.put(id, version, { labels: { part: oneOf(['a', 'b', 'c']) } })
  else await cluster.put(id, version)
}

/** Cuts, resets and freezes the link, again and again. */
async function breakLink({ proxy }: TestCluster, random: () => number, signal: AbortSignal) {
  while (!signal.aborted) {
    await sleep(100 + random() * 200)
    const how = random()
    if (how < 0.4) proxy.reset()
    else if (how < 0.7) await proxy.cut()
    else proxy.freeze()
    await sleep(random() * 300)
    proxy.thaw()
    await proxy.heal()
  }
}

describe.concurrent.each<StoreKind>(['etcd', 'consul'])('a thousand random writes to %s', kind => {
  it('leave every host with what the store has, however the link breaks meanwhile', async () => {
    const seed = Math.floor(Math.random() * 1e9)
    await using cluster = await startCluster(kind, { hosts: HOSTS, passing: IDS.slice(0, 10) })
    await cluster.beginToll()
    const [random, isOver] = [randomFrom(seed), new AbortController()]
    const breaking = breakLink(cluster, randomFrom(seed + 1), isOver.signal)
    try {
      for (let count = 2; count < WRITES + 2; count++) {
        await writeOnce(cluster, random, `v${count}`)
        if (random() < 0.05) await sleep(50)
      }
    } finally {
      isOver.abort()
      await breaking
    }
    const told = { message: `seed ${seed}` }
    await cluster.compare().catch(cause => {
      throw new Error(told.message, { cause })
    })
    cluster.expectNoHarm()
    expect((await cluster.toll()).queries, told.message).toBeLessThan(QUERIES)
    for (const host of HOSTS) {
      for (const id of [...IDS, ...cluster.rollingIds]) {
        const versions = cluster.loads(host, id).map(version => Number(String(version).slice(1)))
        const inOrder = [...new Set(versions)].sort((a, b) => a - b)
        expect(versions, `${told.message}: ${host} has loaded ${id}`).toEqual(inOrder)
      }
    }

    // What is wrong is mended, and then nothing is left of it.
    const { rejected } = await cluster.functions.list()
    for (const id of rejected.keys()) await cluster.put(id, 'v2000')
    await cluster.putRaw('never-good', '{')
    await cluster.untilAllSay({ problems: [expect.objectContaining({ id: 'never-good' })] })
    await cluster.functions.unregister('never-good')
    await cluster.compare()
  }, 60_000)
})
