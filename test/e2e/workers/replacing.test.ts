import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { type CliHost, serve, temporaryFolder } from '../../helpers/cli.ts'
import { samplesOf, workersOf } from './workers-setup.ts'

/**
 * Loaded at the start; all but the first `free` starts wait for the file `go`. With `hangsUp` the very
 * first one sends SIGHUP to its supervisor.
 */
const gatedStart = (folder: string, free: number, hangsUp: boolean) => `
  import { existsSync, writeFileSync } from 'node:fs'
  import { setTimeout } from 'node:timers/promises'
  export const manifest = { preload: true }
  const isFirst = number => {
    try {
      writeFileSync('${folder}/start-' + number, '', { flag: 'wx' })
      return true
    } catch {
      return false
    }
  }
  export default {
    async onLoad({ log }) {
      let number = 1
      while (!isFirst(number)) number++
      log.info('starting')
      if (number === 1 && ${hangsUp}) process.kill(process.ppid, 'SIGHUP')
      while (number > ${free} && !existsSync('${folder}/go')) await setTimeout(5)
    },
    fetch: () => new Response('served'),
  }`

/** Two workers, of which `free` start by themselves, and what lets the others start. */
async function serveGated(
  free: number,
  hangsUp = false,
): Promise<{ host: CliHost; go: () => Promise<void> }> {
  const folder = await temporaryFolder()
  const file = join(folder, 'page.ts')
  await writeFile(file, gatedStart(folder, free, hangsUp))
  const host = await serve([file], { env: { FEZZ_WORKERS: '2', FEZZ_DRAIN_DELAY: '0s' } })
  return { host, go: () => writeFile(join(folder, 'go'), '') }
}

const starts = (host: CliHost, count: number) =>
  host.someLines(count, ({ msg }) => msg === 'starting')
const replaced = (host: CliHost) => host.line(({ msg }) => msg === 'the workers are replaced')

it('SIGHUP replaces also workers that were still starting', async () => {
  const { host, go } = await serveGated(1)
  await using _host = host
  await starts(host, 2)
  host.child.kill('SIGHUP')
  await host.line(({ msg }) => msg === 'replacing the workers')
  await go()
  await replaced(host)
  const numbers = (await workersOf(host)).map(({ worker }) => worker)
  expect(numbers.filter(number => number <= 2)).toEqual([])
})

it('SIGHUP before the first worker serves replaces it too', async () => {
  const { host } = await serveGated(Number.POSITIVE_INFINITY, true)
  await using _host = host
  await replaced(host)
  expect((await workersOf(host)).map(({ worker }) => worker)).not.toContain(1)
})

it('a worker that dies while others are replaced leaves no more of them than before', async () => {
  const { host, go } = await serveGated(2)
  await using _host = host
  await host.someLines(2, ({ msg }) => msg.startsWith('listening'))
  const second = (await workersOf(host)).find(({ worker }) => worker === 2)
  host.child.kill('SIGHUP')
  await starts(host, 3)
  process.kill(second?.pid as number, 'SIGKILL')
  await host.line(({ msg }) => / has ended$/.test(msg))
  await go()
  await replaced(host)
  const samples = await samplesOf(host)
  const states = ['starting', 'ready'].map(state => samples.get(`fezz_workers{state="${state}"}`))
  expect(states[0]! + states[1]!).toBe(2)
})

it('SIGTERM while workers are replaced is no failure of the new one', async () => {
  const { host } = await serveGated(2)
  await using _host = host
  await host.someLines(2, ({ msg }) => msg.startsWith('listening'))
  host.child.kill('SIGHUP')
  await starts(host, 3)
  host.child.kill('SIGTERM')
  expect(await host.exited).toEqual({ code: 0, signal: null })
  expect(host.lines.filter(({ level }) => level === 'error')).toEqual([])
})
