import { execFileSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { findTools } from '../../../src/executors/process/tools.ts'
import { runCli, serve, temporaryFolder } from '../../helpers/cli.ts'
import { RawClient } from '../../http/raw-client.ts'
import { hammer } from '../keep-alive-client.ts'
import {
  answeringProcesses,
  functionFile,
  getAnew,
  samplesOf,
  serveByTwo,
  workersOf,
} from './workers-setup.ts'

const ANSWERED = 'fezz_requests_total{status_class="2xx",function="restless"}'
const EXITED = 'fezz_worker_restarts_total{reason="exited"}'

describe('workers', () => {
  it('serve one port together, also one that the system has chosen, each with its number in the log', async () => {
    await using host = await serveByTwo()
    const listening = host.lines.filter(({ msg }) => msg.startsWith('listening'))
    expect(listening.map(({ worker }) => worker)).toEqual([1, 2])
    expect(new Set(listening.map(({ port }) => port)).size).toBe(1)
    const pids = (await workersOf(host)).map(({ pid }) => pid)
    expect(await answeringProcesses(host, 2)).toEqual(new Set(pids))
    expect(pids).not.toContain(host.child.pid)
  })

  it('are none by default', async () => {
    await using host = await serve([functionFile('restless')])
    expect(await host.get('/restless/pid')).toBe(String(host.child.pid))
    expect(host.lines.filter(line => 'worker' in line)).toEqual([])
  })

  it('refuse a program that names a port, which only one of them could have', async () => {
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'page'))
    const declared = { command: ['./server'], handlerPort: 8081 }
    await writeFile(join(folder, 'page/fezz.json'), JSON.stringify(declared))
    const { code, stderr } = await runCli(['serve', folder, '--port', '0', '--workers', '2'])
    expect([code, stderr]).toEqual([
      1,
      'fezz: Function "page": several workers cannot share handlerPort 8081; have the program use PORT, or leave out workers\n',
    ])
  })

  it('take an edit each', async () => {
    const folder = await temporaryFolder()
    const write = (version: string) =>
      writeFile(
        join(folder, 'page.ts'),
        `export default () => new Response('${version} ' + process.pid)`,
      )
    await write('old')
    await using host = await serve([folder, '--watch'], { env: { FEZZ_WORKERS: '2' } })
    await host.someLines(2, ({ msg }) => msg.startsWith('listening'))
    await write('new')
    const fresh = new Set<string>()
    while (fresh.size < 2) {
      const answers = await Promise.all(Array.from({ length: 8 }, () => getAnew(host, '/page')))
      for (const answer of answers) if (answer.startsWith('new')) fresh.add(answer)
    }
  })
})

describe('/_metrics of any worker', () => {
  it('adds up what all have counted, and never goes back when one dies', async () => {
    await using host = await serveByTwo()
    const pids = await answeringProcesses(host, 2)
    const before = await samplesOf(host)
    for (const path of ['/restless/a', '/restless/b', '/restless/c']) await getAnew(host, path)
    const after = await samplesOf(host)
    expect((after.get(ANSWERED) as number) - (before.get(ANSWERED) as number)).toBe(3)
    expect(after.get('fezz_workers{state="ready"}')).toBe(2)
    // Two copies are loaded of one function, which has one route in each table alike.
    expect(after.get('fezz_functions{state="Ready"}')).toBe(2)
    expect(after.get('fezz_routes')).toBe(before.get('fezz_routes'))

    const [victim] = pids
    process.kill(victim as number, 'SIGKILL')
    await host.line(({ msg }) => / has ended$/.test(msg))
    await host.someLines(3, ({ msg }) => msg.startsWith('listening'))
    const later = await samplesOf(host)
    expect(later.get(ANSWERED)).toBe(after.get(ANSWERED))
    expect(later.get(EXITED)).toBe(1)
    const pidsLater = await answeringProcesses(host, 2)
    expect(pidsLater).not.toContain(victim)
  })
})

const { prlimit } = findTools()

it.skipIf(prlimit === undefined)(
  'a worker that cannot even be started is tried again',
  async () => {
    await using host = await serveByTwo()
    const [victim] = await workersOf(host)
    const limit = (files: number) =>
      execFileSync(prlimit as string, [`--pid=${host.child.pid}`, `--nofile=${files}:`])
    // Fewer than the supervisor has open: it can open no channel to another worker.
    limit(8)
    process.kill(victim?.pid as number, 'SIGKILL')
    await host.line(({ msg }) => /^worker 3 cannot be started: spawn .* EMFILE$/.test(msg))
    limit(256)
    await host.someLines(3, ({ msg }) => msg.startsWith('listening'))
  },
)

describe('SIGHUP', () => {
  it('replaces all workers, and no request fails', async () => {
    await using host = await serveByTwo({ FEZZ_DRAIN_DELAY: '100ms' })
    const before = (await workersOf(host)).map(({ pid }) => pid)
    let isOver = false
    const clients = Array.from({ length: 4 }, async () => {
      const reports = []
      // A connection ends when its worker does; the next one finds another.
      while (!isOver) reports.push(await hammer(host.port, '/quick', () => isOver))
      return reports
    })
    host.child.kill('SIGHUP')
    await host.line(({ msg }) => msg === 'the workers are replaced')
    isOver = true
    const reports = (await Promise.all(clients)).flat()
    expect(reports.flatMap(({ failure }) => failure ?? [])).toEqual([])
    const answered = reports.reduce((sum, { answers }) => sum + answers.length, 0)
    const samples = await samplesOf(host)
    expect(samples.get('fezz_requests_total{status_class="2xx",function="quick"}')).toBe(answered)
    const after = (await workersOf(host)).map(({ pid }) => pid)
    expect(after).toHaveLength(2)
    expect(after.filter(pid => before.includes(pid))).toEqual([])
    expect(await host.stop()).toEqual({ code: 0, signal: null })
    // Four starts and ends, while clients keep the machine busy.
  }, 60_000)

  it('leaves the old workers when new ones do not start', async () => {
    const folder = await temporaryFolder()
    const file = join(folder, 'page.ts')
    await writeFile(file, `export default () => new Response('served')`)
    await using host = await serve([file], { env: { FEZZ_WORKERS: '2' } })
    await host.someLines(2, ({ msg }) => msg.startsWith('listening'))
    await writeFile(file, 'export default (')
    host.child.kill('SIGHUP')
    await host.line(({ msg }) => msg === 'a new worker does not start; the old ones stay')
    expect(await host.get('/page')).toBe('served')
  })
})

describe('the end', () => {
  it('comes by SIGTERM when all workers have answered what they had', async () => {
    const gates = await temporaryFolder()
    for (const gate of ['load', 'unload']) await writeFile(join(gates, gate), '')
    await using host = await serveByTwo({ FEZZ_ENV_GATES: gates }, [
      functionFile('gated'),
      functionFile('restless'),
    ])
    const client = await RawClient.connect(host.port)
    client.send('GET /gated HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await host.line(({ msg }) => msg === 'request arrived')
    host.child.kill('SIGTERM')
    await host.someLines(2, ({ msg }) => msg === 'draining')
    await writeFile(join(gates, 'fetch'), '')
    expect(await client.untilClosed()).toMatch(/^HTTP\/1\.1 200 .*answered$/s)
    expect(await host.exited).toEqual({ code: 0, signal: null })
  })

  it('comes at once by a second signal, for all', async () => {
    const gates = await temporaryFolder()
    await writeFile(join(gates, 'load'), '')
    await using host = await serveByTwo({ FEZZ_ENV_GATES: gates }, [
      functionFile('gated'),
      functionFile('restless'),
    ])
    const client = await RawClient.connect(host.port)
    client.send('GET /gated HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await host.line(({ msg }) => msg === 'request arrived')
    host.child.kill('SIGINT')
    await host.line(({ msg }) => msg === 'draining')
    host.child.kill('SIGINT')
    // Its output closes when no worker holds it any more.
    expect(await host.exited).toEqual({ code: 1, signal: null })
  })

  it('comes for the workers too when the supervisor is killed', async () => {
    await using host = await serveByTwo()
    await answeringProcesses(host, 2)
    expect(await host.stop('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' })
    expect(host.lines.filter(({ msg }) => msg === 'closed')).toHaveLength(2)
  })
})

describe('a start', () => {
  const env = { FEZZ_WORKERS: '2' }

  it('says once that the port is taken, and ends', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await new Promise(resolve => other.once('listening', resolve))
    const port = String((other.address() as AddressInfo).port)
    const args = ['serve', functionFile('quick'), '--port', port]
    const { code, stderr } = await runCli(args, { env })
    await new Promise(resolve => other.close(resolve))
    expect(code).toBe(1)
    expect(stderr).toMatch(/^fezz: cannot listen on 127\.0\.0\.1 port \d+: another program .*\n$/)
  })

  it('says once that nothing can be built, and ends', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'broken.ts'), 'export default (')
    const { code, stderr } = await runCli(['serve', folder], { env })
    expect(code).toBe(1)
    expect(stderr.match(/^fezz: .*broken\.ts/gm)).toHaveLength(1)
  })

  it('refuses a store beside workers', async () => {
    const store = `file://${await temporaryFolder()}`
    const { code, stderr } = await runCli(['serve', '--store', store], { env })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^fezz: with a store a host is one process/)
  })
})
