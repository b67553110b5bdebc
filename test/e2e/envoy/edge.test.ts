import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { envoyProgram } from '../../services/envoy.ts'
import { etcdProgram } from '../../services/etcd.ts'
import { changeRoutes, mixed, putMixed, restartEach } from './changes.ts'
import { Edge, until } from './edge.ts'
import { KINDS } from './envoy-config.ts'
import type { HostProcess } from './host-process.ts'
import { type Answer, type Ask, Load } from './load.ts'

/** Requests in a second. */
const RATE = Number(process.env['EDGE_RATE'] ?? 150)
/** How often each host is restarted; 12 rounds are a minute or two of load. */
const ROUNDS = Number(process.env['EDGE_ROUNDS'] ?? 1)
const isMissing = (await envoyProgram()) === undefined || (await etcdProgram()) === undefined

describe.skipIf(isMissing).each(KINDS)('behind an Envoy with %s.yaml', kind => {
  let edge: Edge
  let load: Load

  beforeAll(async () => {
    edge = await Edge.open(kind)
    const revision = await putMixed(edge, 'v1')
    await edge.start()
    await edge.applied(revision)
  })
  afterAll(() => edge?.[Symbol.asyncDispose]())
  beforeEach(async () => {
    await everyHostAnswers()
    load = new Load({ port: edge.port, rate: RATE, next: mixed })
  })
  afterEach(async () => {
    await load.stop()
    const posts = await edge.posts()
    expect(repeated(posts), 'POSTs that were sent twice').toEqual([])
  })

  it(
    'no request fails while hosts are restarted, versions roll and routes change',
    async () => {
      let isOver = false
      const whileRestarting = async (work: (version: string) => Promise<void>, pauseMs: number) => {
        for (let version = 2; !isOver; version++) {
          await work(`v${version}`)
          await sleep(pauseMs)
        }
      }
      const restarts = async () => {
        for (let round = 0; round < ROUNDS; round++) await restartEach(edge, 300)
      }
      const wrong: string[] = []
      await Promise.all([
        restarts().finally(() => {
          isOver = true
        }),
        whileRestarting(async version => void (await putMixed(edge, version)), 700),
        whileRestarting(
          async version => void wrong.push(...(await changeRoutes(edge, version))),
          300,
        ),
      ])
      await load.stop()
      expect(load.failures).toEqual([])
      expect(wrong).toEqual([])
      expect(new Set(load.answers.map(({ node }) => node)).size).toBe(3)
      const posts = new Set(await edge.posts())
      const sent = load.answers.filter(({ method }) => method === 'POST')
      expect(sent.filter(({ id }) => !posts.has(id))).toEqual([])
    },
    30_000 + ROUNDS * 20_000,
  )

  it('a drained host gets nothing new, and is used again when that is undone', async () => {
    const [host] = edge.hosts as [HostProcess]
    await edge.fezz('drain', host.id)
    // Without xDS, Envoy hears of it from the health check, every 500 ms.
    await sleep(kind === 'static' ? 800 : 100)
    const drainedAt = performance.now()
    await sleep(1_000)
    await edge.fezz('drain', host.id, '--undo')
    const undoneAt = performance.now()
    const between = load.answers.filter(
      ({ node, sentAtMs }) => node === host.id && sentAtMs > drainedAt && sentAtMs < undoneAt - 800,
    )
    expect(between).toEqual([])
    const tookMs = await until(async () => answeredBy(host, undoneAt), 'the host to be used again')
    expect(tookMs).toBeLessThan(1_000)
    await load.stop()
    expect(load.failures).toEqual([])
  })

  it('a host that leaves says so first, and is used within a second when it is back', async () => {
    const host = edge.hosts.at(-1) as HostProcess
    const stopped = host.stop()
    await until(async () => (await edge.stateOf(host)) === 'draining', 'the store to know')
    // Envoy hears of it before the port closes.
    expect((await host.status()).controlPlane.membership.state).toBe('draining')
    await stopped
    expect(await edge.stateOf(host)).toBeUndefined()
    await sleep(500)
    const readyAt = await host.start()
    await until(async () => answeredBy(host, readyAt), 'the host to be used')
    const [first] = load.answers.filter(isFrom(host, readyAt)) as [Answer]
    expect(first.sentAtMs + first.tookMs - readyAt).toBeLessThan(1_000)
    await load.stop()
    expect(load.failures).toEqual([])
  })

  it('a host that is killed costs no GET, and no POST but those that it was working on', async () => {
    await sleep(500)
    const [host] = edge.hosts as [HostProcess]
    const killedAt = performance.now()
    await host.stop('SIGKILL')
    const goneAt = performance.now()
    await sleep(2_500)
    await load.stop()
    const { failures } = load
    expect(failures.filter(({ method }) => method === 'GET')).toEqual([])
    // Each was on its way when the host died; Envoy cannot know whether it has run.
    const later = failures.filter(({ sentAtMs }) => sentAtMs > goneAt + 100)
    expect(later).toEqual([])
    expect(load.answers.filter(({ sentAtMs }) => sentAtMs > killedAt).length).toBeGreaterThan(RATE)
    await host.start()
  })

  it.runIf(kind === 'dynamic')(
    'a function is placed on fewer hosts, on others and on more, and no request of it fails',
    async () => {
      await load.stop()
      const [one, two, three] = edge.hosts.map(({ id }) => id) as [string, string, string]
      const place = async (nodes: readonly string[]) => {
        const manifest = { id: 'placed', version: 'v1', method: 'ANY', path: '/placed' } as const
        const placement = nodes.length === 3 ? {} : { nodes }
        await edge.applied(await edge.put(manifest, { balance: 'spread', placement }))
      }
      await place([one, two, three])
      const next = (index: number): Ask => {
        const method = index % 4 === 3 ? 'POST' : 'GET'
        return { method, path: `/placed?ms=${[0, 5, 30][index % 3]}` }
      }
      load = new Load({ port: edge.port, rate: RATE, next })
      await answerOf([one, two, three])
      for (const nodes of [[one], [two], [one, three], [one, two, three], [three]]) {
        await place(nodes)
        await answerOf(nodes)
      }
      // Now the hosts that have lost it are without it.
      await sleep(3_500)
      await load.stop()
      expect(load.failures).toEqual([])
      const left = edge.hosts.slice(0, 2).map(({ port }) => `http://127.0.0.1:${port}/placed`)
      const answers = await Promise.all(left.map(url => fetch(url)))
      expect(answers.map(({ status }) => status)).toEqual([404, 404])
      await edge.functions.unregister('placed')
    },
    30_000,
  )

  it.runIf(kind === 'dynamic')(
    'a new function with a placement of its own is there soon after apply says so',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'fezz-placed-'))
      const file = join(folder, 'alone.mjs')
      await writeFile(file, "export default { fetch: () => new Response('alone') }")
      await edge.fezz('apply', file, '--on-node', 'host-2,nobody')
      await rm(folder, { recursive: true })
      const isThere = async () => {
        const asked = Array.from({ length: 20 }, () => fetch(`${edge.url}/alone`))
        // One of the hosts has it, so a few of them would say little.
        return (await Promise.all(asked)).every(({ ok }) => ok)
      }
      // As soon as Envoy has its cluster; it would be most of a second otherwise.
      expect(await until(isThere, 'its routes')).toBeLessThan(400)
      expect(await isThere()).toBe(true)
      await edge.functions.unregister('alone')
    },
  )

  /** The last requests were answered by each of these hosts, and by no other. */
  async function answerOf(nodes: readonly string[]): Promise<void> {
    await until(async () => {
      const last = load.answers.slice(-40)
      const used = [...new Set(last.map(({ node }) => node))].sort()
      return last.length === 40 && used.join() === [...nodes].sort().join()
    }, `answers of ${nodes}`)
  }

  /** Whoever is new, or was away, is known to Envoy. */
  async function everyHostAnswers(): Promise<void> {
    const missing = new Set(edge.hosts.map(({ id }) => id))
    await until(async () => {
      const answer = await fetch(`${edge.url}/hot-1`)
      await answer.text()
      missing.delete(answer.headers.get('x-node') ?? '')
      return missing.size === 0
    }, 'an answer of every host')
  }

  function answeredBy(host: HostProcess, sinceMs: number): boolean {
    return load.answers.some(isFrom(host, sinceMs))
  }
})

/** Answers that have come from a host since then. */
function isFrom(host: HostProcess, sinceMs: number): (answer: Answer) => boolean {
  return ({ node, sentAtMs, tookMs }) => node === host.id && sentAtMs + tookMs > sinceMs
}

function repeated(items: readonly string[]): readonly string[] {
  return items.filter((item, index) => items.indexOf(item) !== index)
}
