import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { startCluster, type StoreKind, type TestCluster } from './cluster-setup.ts'

const HOSTS = ['host-a', 'host-b'] as const
const IDS = Array.from({ length: 40 }, (_, n) => `random-${n}`)
const WRITES = 1_000
const BAD = ['{', '{}', '{"manifest":{"path":"no-slash"}}', '', 'null', '{"manifest":{"path":"/x"},"code":{"sha256":"x"}}']

/** A generator of numbers in [0, 1) that can be repeated: mulberry32. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Writes at random while the link is cut, reset, frozen and healed at random. */
async function writeAtRandom(cluster: TestCluster, random: () => number): Promise<void> {
  const oneOf = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T
  let version = 1
  let isOver = false
  const breakLink = async () => {
    while (!isOver) {
      await sleep(100 + random() * 200)
      const how = random()
      if (how < 0.4) cluster.proxy.reset()
      else if (how < 0.7) await cluster.proxy.cut()
      else cluster.proxy.freeze()
      await sleep(random() * 300)
      cluster.proxy.thaw()
      await cluster.proxy.heal()
    }
  }
  const breaking = breakLink()
  try {
    for (let count = 0; count < WRITES; count++) {
      const kind = random()
      version++
      if (kind < 0.15) await cluster.functions.unregister(oneOf(IDS))
      else if (kind < 0.25) await cluster.putRaw(oneOf(IDS), oneOf(BAD))
      else if (kind < 0.35) await cluster.put(oneOf(cluster.rollingIds), `v${version}`)
      else if (kind < 0.5) {
        const placement = random() < 0.5 ? { nodes: [oneOf(HOSTS)] } : { labels: { part: oneOf(['a', 'b', 'c']) } }
        await cluster.put(oneOf(IDS), `v${version}`, placement)
      } else await cluster.put(oneOf(IDS), `v${version}`)
      if (random() < 0.05) await sleep(50)
    }
  } finally {
    isOver = true
    await breaking
  }
}

describe.each<StoreKind>(['etcd', 'consul'])('1,000 random writes to %s', kind => {
  it('leave every host with what the store has, however the link breaks meanwhile', async () => {
    await using cluster = await startCluster(kind, { hosts: HOSTS })
    const before = await cluster.queries()
    const dials = cluster.proxy.connections
    const seed = Date.now() % 100_000
    console.log('seed', seed)
    const t = performance.now()
    await writeAtRandom(cluster, randomFrom(seed))
    const wrote = performance.now() - t
    const took = await cluster.compare()
    console.log(kind, 'wrote in', wrote, 'took', took, 'queries', (await cluster.queries()) - before, 'dials', cluster.proxy.connections - dials, await cluster.server.calls())
    console.log(JSON.stringify((await cluster.statuses()).map(({ problems, ...rest }) => rest)))
    expect(cluster.requester.failures).toEqual([])
    for (const id of cluster.steadyIds) expect(Object.values(cluster.loads(id))).toEqual([1, 1])
    for (const { id: host, cli } of cluster.hosts.values()) {
      const seen = new Map<string, number[]>()
      for (const { msg, functionId = '', version } of cli.lines) {
        if (msg !== 'function loaded') continue
        const versions = seen.get(functionId) ?? []
        versions.push(Number(String(version).slice(1)))
        seen.set(functionId, versions)
      }
      for (const [id, versions] of seen) expect(versions, `${host} ${id}`).toEqual([...new Set(versions)].sort((a, b) => a - b))
    }
    // What is wrong is mended, and then nothing is left of it.
    const { rejected } = await cluster.functions.list()
    for (const id of rejected.keys()) await cluster.put(id, 'v5000')
    console.log('rejected', rejected.size)
    await cluster.compare()
  }, 60_000)
})
