import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { FUNCTIONS } from '../../../src/control-plane/keys.ts'
import type { Etcd } from '../../services/etcd.ts'
import { bundleOf, startCluster, type TestCluster } from './cluster-setup.ts'
import { statusOf } from './compare.ts'

describe('what is wrong with one function', () => {
  let cluster: TestCluster
  beforeAll(async () => {
    cluster = await startCluster('etcd')
  })
  afterAll(() => cluster?.[Symbol.asyncDispose]())
  afterEach(() => {
    expect(cluster.requester.failures).toEqual([])
  })

  it('in its entry is told everywhere, and its last good version stays', async () => {
    const etcd = cluster.server as Etcd
    await etcd.etcdctl(['put', `${FUNCTIONS}rolling-0`, '{"manifest":{"path":"rolling-0"},"cod":{}}'])
    await etcd.etcdctl(['put', `${FUNCTIONS}never-good`, 'not JSON'])
    await cluster.compare()
    for (const { cli, port } of cluster.hosts.values()) {
      const { controlPlane } = await statusOf(port)
      console.log(JSON.stringify(controlPlane.problems))
      expect(await cli.get('/_metrics')).toMatch(/^fezz_store_problem_entries(?:\{.*\})? 2$/m)
      console.log(cli.lines.filter(l => l.level === 'warn'))
      expect(await cli.get('/rolling-0')).toBe('rolling-0 v1')
    }
    const { stdout } = await cluster.fezz('get', 'functions')
    console.log(stdout, (await cluster.fezz('get', 'nodes')).stdout)
    await cluster.stopHost('host-a')
    await cluster.startHost('host-a')
    expect(await cluster.host('host-a').cli.get('/rolling-0')).toBe('rolling-0 v1')
    await cluster.put('rolling-0', 'v2')
    await cluster.functions.unregister('never-good')
    await cluster.compare()
    const { controlPlane } = await statusOf(cluster.host('host-a').port)
    expect(controlPlane.problems).toEqual([])
  })

  it('in its artifact is a 503 for it alone, until the artifact is there', async () => {
    const missing = await cluster.entry('missing', 'v1')
    const wrong = await cluster.entry('wrong', 'v1')
    const folderOf = (entry: typeof missing) => join(cluster.artifacts, entry.code?.sha256 ?? '')
    await rm(folderOf(missing), { recursive: true })
    await writeFile(join(folderOf(wrong), 'bundle.cjs'), 'exports.default = { fetch: () => new Response("stolen") }')
    await cluster.functions.register(missing)
    await cluster.functions.register(wrong)
    for (const { cli } of cluster.hosts.values()) {
      for (const id of ['missing', 'wrong']) {
        await expect.poll(async () => {
          const answer = await cli.fetch(`/${id}`)
          return [answer.status, await answer.json().catch(() => '')]
        }).toMatchObject([503, { code: 'ARTIFACT_UNAVAILABLE' }])
      }
      const answer = await cli.fetch('/missing')
      console.log(answer.headers, await answer.text())
      console.log(cli.lines.filter(({ level }) => level !== 'info').slice(-4))
    }
    await mkdir(folderOf(missing), { recursive: true })
    await writeFile(join(folderOf(missing), 'bundle.cjs'), bundleOf('missing v1').bundle)
    await writeFile(join(folderOf(wrong), 'bundle.cjs'), bundleOf('wrong v1').bundle)
    console.log('healed in', await cluster.compare(20_000))
  }, 40_000)

  it('a new version whose artifact is missing leaves the old one in force', async () => {
    const entry = await cluster.entry('rolling-1', 'v2')
    const folder = join(cluster.artifacts, entry.code?.sha256 ?? '')
    await rm(folder, { recursive: true })
    await cluster.functions.register(entry)
    await expect.poll(async () => (await cluster.statuses()).map(s => s.problems)).toMatchObject([[{ id: 'rolling-1' }], [{ id: 'rolling-1' }]])
    console.log(JSON.stringify((await cluster.statuses())[0]))
    await mkdir(folder)
    await writeFile(join(folder, 'bundle.cjs'), bundleOf('rolling-1 v2').bundle)
    console.log('healed in', await cluster.compare(10_000))
  })
})
