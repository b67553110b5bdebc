import { readdirSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type CliHost, serve, temporaryFolder } from '../../helpers/cli.ts'
import { hasPodman, podmanService } from '../../services/podman-service.ts'
import { getAnew } from '../workers/workers-setup.ts'
import {
  Belongings,
  CONTAINERS,
  NOTHING,
  UNANSWERED,
  writeContained,
  writeOutliving,
} from './outliving.ts'

const SOON = { timeout: 30_000 }
const TEST_MS = 120_000
const service = (await hasPodman()) ? await podmanService() : undefined

interface World {
  /** With functions that outlive a host; and with one that does not. */
  readonly folder: string
  readonly harmless: string
  readonly env: Readonly<Record<string, string>>
  readonly belongings: Belongings
}

async function world(): Promise<World> {
  const [folder, harmless, temporary] = (await Promise.all([1, 2, 3].map(temporaryFolder))) as [
    string,
    string,
    string,
  ]
  await writeOutliving(folder)
  if (service !== undefined) await writeContained(folder, service)
  await writeFile(join(harmless, 'harmless.ts'), `export default () => new Response('harmless')`)
  const env = {
    TMPDIR: temporary,
    FEZZ_DRAIN_TIMEOUT: '1s',
    FEZZ_DRAIN_DELAY: '0s',
    ...(service && { FEZZ_CONTAINER_ENGINE: service.endpoint }),
  }
  return { folder, harmless, env, belongings: new Belongings(temporary, service) }
}

/** Has every function of {@link writeOutliving} do its worst. */
async function provoke(host: CliHost, { belongings }: World): Promise<string> {
  for (const path of UNANSWERED) void host.fetch(path).catch(() => {})
  if (service !== undefined) {
    const answers = await Promise.all(
      Object.keys(CONTAINERS).map(async name => (await host.fetch(`/${name}`)).status),
    )
    expect(answers).toEqual([200, 200, 200])
  }
  await expect.poll(() => belongings.runs(), SOON).toHaveLength(1)
  const [run] = belongings.runs() as [string]
  // A Node, a server, a shell, a warm Node; and what five of them have left their sessions with.
  await expect.poll(() => belongings.processes(run).length, SOON).toBeGreaterThanOrEqual(9)
  if (service !== undefined) {
    await expect.poll(() => belongings.containers(run), SOON).toEqual(CONTAINERS)
  }
  return run
}

/**
 * As {@link provoke}, whichever worker takes which request.
 *
 * @returns the run folder of one that has its hands full
 */
async function provokeAll(host: CliHost, { belongings }: World): Promise<string> {
  for (const path of UNANSWERED) {
    for (let i = 0; i < 4; i++) void getAnew(host, path)
  }
  if (service !== undefined) {
    const names = Object.keys(CONTAINERS).flatMap(name => [name, name])
    await Promise.all(names.map(name => getAnew(host, `/${name}`)))
  }
  const isBusy = (run: string) => belongings.processes(run).length >= 6
  await expect.poll(() => belongings.runs().some(isBusy), SOON).toBe(true)
  return belongings.runs().find(isBusy) as string
}

describe('a host that is killed', () => {
  it.each(['the same functions', 'none of these functions'])(
    'leaves nothing behind after a next start with %s',
    async which => {
      const setting = await world()
      const { folder, harmless, env, belongings } = setting
      const host = await serve([folder], { env })
      const run = await provoke(host, setting)
      await host.stop('SIGKILL')
      // Those that have left its session live.
      expect(belongings.processes(run)).not.toEqual([])
      if (service !== undefined) expect(await belongings.containers(run)).toEqual(CONTAINERS)

      await using next = await serve([which.startsWith('none') ? harmless : folder], { env })
      await expect.poll(() => belongings.of(run), SOON).toEqual(NOTHING)
      if (which.startsWith('none')) expect(await next.get('/harmless')).toBe('harmless')
      expect(next.lines.filter(({ level }) => level === 'error')).toEqual([])
      expect(await next.stop()).toEqual({ code: 0, signal: null })
      expect(belongings.runs()).toEqual([])
      // Beside the folder of runs, and the cache of compiled code.
      const kept = /^fezz-(compiled-)?\d+$/
      expect(readdirSync(env['TMPDIR'] as string).filter(name => !kept.test(name))).toEqual([])
    },
    TEST_MS,
  )
})

describe('of two workers', () => {
  it(
    'one that is killed leaves nothing behind after the next one has started',
    async () => {
      const setting = await world()
      const { folder, env, belongings } = setting
      await using host = await serve([folder], { env: { ...env, FEZZ_WORKERS: '2' } })
      await host.someLines(2, ({ msg }) => msg.startsWith('listening'))
      const run = await provokeAll(host, setting)
      process.kill(Number(/^\d+/.exec(run)?.[0]), 'SIGKILL')
      await host.someLines(3, ({ msg }) => msg.startsWith('listening'))
      await expect.poll(() => belongings.of(run), SOON).toEqual(NOTHING)
      await host.stop()
    },
    TEST_MS,
  )

  it(
    'nothing is left when their supervisor is killed, and another has started',
    async () => {
      const setting = await world()
      const { folder, harmless, env, belongings } = setting
      const workers = { env: { ...env, FEZZ_WORKERS: '2' } }
      await using host = await serve([folder], workers)
      await host.someLines(2, ({ msg }) => msg.startsWith('listening'))
      await provokeAll(host, setting)
      const runs = belongings.runs()
      await host.stop('SIGKILL')
      await using next = await serve([harmless], workers)
      for (const run of runs) await expect.poll(() => belongings.of(run), SOON).toEqual(NOTHING)
      expect(next.lines.filter(({ level }) => level === 'error' || level === 'warn')).toEqual([])
    },
    TEST_MS,
  )
})
