import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { FunctionEntry } from '../../../src/control-plane/function-entry.ts'
import { FUNCTIONS } from '../../../src/control-plane/keys.ts'
import type { Etcd } from '../../services/etcd.ts'
import { bundleOf, startCluster, type TestCluster } from './cluster-setup.ts'
import { statusOf } from './compare.ts'

describe('what is wrong with one function harms no other:', () => {
  let cluster: TestCluster
  beforeAll(async () => {
    cluster = await startCluster('etcd')
  })
  afterAll(() => cluster?.[Symbol.asyncDispose]())
  afterEach(() => cluster.expectNoHarm())

  const folderOf = ({ code }: FunctionEntry) => join(cluster.artifacts, code?.sha256 ?? '')

  async function put(entry: FunctionEntry, bundle: string): Promise<void> {
    await mkdir(folderOf(entry), { recursive: true })
    await writeFile(join(folderOf(entry), 'bundle.cjs'), bundle)
  }

  it('a wrong entry is told everywhere, and the last good version stays', async () => {
    const wrong = '{ "manifest": { "path": "/rolling-0" }, "cod": {} }'
    const etcd = cluster.server as Etcd
    await etcd.etcdctl(['put', `${FUNCTIONS}rolling-0`, wrong])
    await etcd.etcdctl(['put', `${FUNCTIONS}never-good`, 'not JSON'])
    await cluster.compare()
    const problem = 'fezz/v1/functions/rolling-0: cod is not a field; did you mean "code"?'
    for (const { cli, port } of cluster.hosts.values()) {
      const { problems } = (await statusOf(port)).controlPlane
      expect(problems).toContainEqual({ id: 'rolling-0', message: problem })
      expect(await cli.get('/_metrics')).toMatch(/^fezz_store_problem_entries(?:\{.*\})? 2$/m)
      const [warning] = cli.lines.filter(({ functionId }) => functionId === 'rolling-0').slice(-1)
      expect(warning).toMatchObject({ level: 'warn', err: { message: problem } })
      expect(await cli.get('/rolling-0')).toBe('rolling-0 v1')
    }
    expect((await cluster.fezz('get', 'functions')).stdout).toContain(problem)
    expect((await cluster.fezz('get', 'nodes')).stdout).toContain('and 1 more')

    // The snapshot has the last good version, which the store has no more.
    await cluster.stopHost('host-a')
    await cluster.startHost('host-a')
    expect(await cluster.host('host-a').cli.get('/rolling-0')).toBe('rolling-0 v1')

    await cluster.put('rolling-0', 'v2')
    await cluster.functions.unregister('never-good')
    await cluster.compare()
    expect(await cluster.statuses()).toMatchObject([{ problems: [] }, { problems: [] }])
  })

  it('code that is missing, or not what it should be, is a 503 until it is there', async () => {
    const [missing, wrong] = [
      await cluster.entry('missing', 'v1'),
      await cluster.entry('wrong', 'v1'),
    ]
    await rm(folderOf(missing), { recursive: true })
    await put(wrong, bundleOf('something else').bundle)
    for (const entry of [missing, wrong]) await cluster.functions.register(entry)
    for (const { cli } of cluster.hosts.values()) {
      for (const id of ['missing', 'wrong']) {
        const asked = async () => {
          const answer = await cli.fetch(`/${id}`)
          return { status: answer.status, body: await answer.text() }
        }
        await expect.poll(asked).toMatchObject({ status: 503 })
        const { body } = await asked()
        expect(JSON.parse(body)).toMatchObject({ code: 'ARTIFACT_UNAVAILABLE' })
        expect(body).not.toContain(cluster.artifacts)
        expect(cli.linesOf(id, 'load failed')[0]).toMatchObject({
          err: { message: expect.stringContaining(cluster.artifacts) },
        })
      }
    }
    await put(missing, bundleOf('missing v1').bundle)
    await put(wrong, bundleOf('wrong v1').bundle)
    await cluster.compare()
  })

  it('a new version without its code leaves the one before in force', async () => {
    const entry = await cluster.entry('rolling-1', 'v2')
    await rm(folderOf(entry), { recursive: true })
    await cluster.functions.register(entry)
    const message = expect.stringContaining('there is no such file')
    await cluster.untilAllSay({ problems: [{ id: 'rolling-1', message }] })
    await put(entry, bundleOf('rolling-1 v2').bundle)
    await cluster.compare()
  })
})
