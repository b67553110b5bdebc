import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { type CliHost, serve, temporaryFolder } from '../../helpers/cli.ts'
import { testImage } from '../../services/images.ts'
import { hasPodman, podmanService } from '../../services/podman-service.ts'
import { hammer } from '../keep-alive-client.ts'
import { EngineTap } from './engine-tap.ts'
import { Belongings, NOTHING } from './outliving.ts'

const SLEEPERS = 500
const WAKERS = 20
const WATCH_MS = 3_000
const SOON = { timeout: 60_000 }

/** A host with a tap on its engine, and one function that is no container. */
async function world(functions: Readonly<Record<string, object>>) {
  const service = await podmanService()
  const [folder, temporary] = [await temporaryFolder(), await temporaryFolder()]
  await writeFile(join(folder, 'quick.ts'), `export default () => new Response('quick')`)
  for (const [name, manifest] of Object.entries(functions)) {
    await mkdir(join(folder, name))
    await writeFile(join(folder, name, 'fezz.json'), JSON.stringify(manifest))
  }
  const tap = await EngineTap.open(join(temporary, 'engine.sock'), service.socketPath)
  const env = { FEZZ_CONTAINER_ENGINE: tap.endpoint, TMPDIR: temporary }
  const host = await serve([folder], { env })
  const belongings = new Belongings(temporary, service)
  const containers = async () => belongings.containers(belongings.runs()[0] ?? 'none-')
  return {
    host,
    tap,
    belongings,
    containers,
    async [Symbol.asyncDispose]() {
      await host.stop()
      await tap[Symbol.asyncDispose]()
    },
  }
}

/** What a host uses while nobody asks it anything. */
async function usage({ child }: CliHost): Promise<{ cpuMs: number; residentBytes: number }> {
  const cpuMs = async () => {
    const stat = await readFile(`/proc/${child.pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) * 10
  }
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8')
  const before = await cpuMs()
  await sleep(WATCH_MS)
  const residentKiB = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1])
  return { cpuMs: (await cpuMs()) - before, residentBytes: residentKiB * 1024 }
}

describe.skipIf(!(await hasPodman()))('functions that are containers', () => {
  it(`cost nothing asleep: ${SLEEPERS} of them against none`, async () => {
    const image = await testImage(await podmanService(), 'hello')
    const names = Array.from({ length: SLEEPERS }, (_, number) => `sleeper-${number}`)
    await using none = await world({})
    await using many = await world(Object.fromEntries(names.map(name => [name, { image }])))
    for (const { host } of [none, many]) expect(await host.get('/quick')).toBe('quick')
    // The first second has what a start leaves to do.
    await sleep(1_000)
    const [idle, asleep] = await Promise.all([usage(none.host), usage(many.host)])
    expect(await many.containers()).toEqual({})
    expect(many.tap.calls.length).toBeLessThan(10)
    expect(asleep.cpuMs).toBeLessThan(idle.cpuMs + 200)
    expect(asleep.residentBytes).toBeLessThan(idle.residentBytes + 40 * 2 ** 20)
  }, 120_000)

  it(`wake ${WAKERS} at once while others are asked, and no request fails`, async () => {
    const image = await testImage(await podmanService(), 'hello')
    const names = Array.from({ length: WAKERS }, (_, number) => `waker-${number}`)
    const manifest = (number: number) => ({
      image,
      idleTtl: '100ms',
      sleep: number % 2 === 0 ? 'pause' : 'stop',
    })
    const functions = names.map((name, number) => [name, manifest(number)])
    await using many = await world(Object.fromEntries(functions))
    const { host } = many
    const all = () =>
      Promise.all(
        names.map(async name => {
          const { status } = await host.fetch(`/${name}`)
          return status
        }),
      )
    const created = await all()
    expect(created).toEqual(names.map(() => 200))
    const asleep = names.map((name, number) => [name, number % 2 === 0 ? 'paused' : 'exited'])
    await expect.poll(many.containers, SOON).toEqual(Object.fromEntries(asleep))
    let isOver = false
    const clients = Array.from({ length: 4 }, () => hammer(host.port, '/quick', () => isOver))
    const woken = await all()
    isOver = true
    const reports = await Promise.all(clients)
    expect(woken).toEqual(names.map(() => 200))
    expect(reports.flatMap(({ failure }) => failure ?? [])).toEqual([])
    await expect.poll(many.containers, SOON).toEqual(Object.fromEntries(asleep))
    const [run = ''] = many.belongings.runs()
    expect(await host.stop()).toEqual({ code: 0, signal: null })
    expect(await many.belongings.of(run)).toEqual(NOTHING)
    expect(host.lines.filter(({ level }) => level === 'error')).toEqual([])
  }, 180_000)
})
