import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { freePort } from '../../../src/executors/process/free-port.ts'
import { type CliHost, serve, temporaryFolder } from '../../helpers/cli.ts'
import { hammer } from '../keep-alive-client.ts'

const SOON = { timeout: 60_000 }
const KILLS = 4
const CLIENTS = 4

async function hosting(code: string): Promise<{ file: string; host: CliHost }> {
  const folder = await temporaryFolder()
  const file = join(folder, 'page.ts')
  await writeFile(file, code)
  const host = await serve([folder, '--watch'], { env: { FEZZ_RUN_DIR: await temporaryFolder() } })
  return { file, host }
}

interface Answer {
  readonly status: number
  readonly code: string | undefined
  readonly retryAfter: string | null
  /** Of the process that has answered. */
  readonly pid: number | undefined
}

async function ask(host: CliHost): Promise<Answer> {
  const response = await host.fetch('/page')
  const { pid, code } = (await response.json()) as { pid?: number; code?: string }
  return { status: response.status, code, pid, retryAfter: response.headers.get('retry-after') }
}

it('a process that is killed again and again costs what it was answering, then a wait, and comes back', async () => {
  const { host } = await hosting(`
    export const manifest = { executor: 'process' }
    export default async () => {
      await new Promise(resolve => setTimeout(resolve, 5))
      return Response.json({ pid: process.pid })
    }`)
  await using _host = host
  const answers: Answer[] = []
  let isOver = false
  const clients = Array.from({ length: CLIENTS }, async () => {
    while (!isOver) {
      const answer = await ask(host)
      answers.push(answer)
      // A client that is told to wait would wait longer.
      if (answer.status === 503) await sleep(20)
    }
  })
  const killed = new Set<number>()
  const isBack = ({ status, pid }: Answer) => status === 200 && !killed.has(pid as number)
  while (killed.size < KILLS) {
    await expect.poll(() => answers.some(isBack), SOON).toBe(true)
    const pid = answers.findLast(isBack)?.pid as number
    killed.add(pid)
    process.kill(pid, 'SIGKILL')
  }
  await expect.poll(() => answers.slice(-20).every(isBack), SOON).toBe(true)
  isOver = true
  await Promise.all(clients)

  const failed = answers.filter(({ status }) => status !== 200)
  const inFlight = failed.filter(({ status }) => status === 502)
  const waiting = failed.filter(({ status }) => status === 503)
  expect(failed.length).toBe(inFlight.length + waiting.length)
  expect(new Set(inFlight.map(({ code }) => code))).toEqual(new Set(['INSTANCE_EXITED']))
  expect(inFlight.length).toBeLessThanOrEqual(killed.size * CLIENTS)
  expect(waiting.filter(({ code }) => code !== 'FUNCTION_LOAD_FAILED')).toEqual([])
  expect(waiting.filter(({ retryAfter }) => !(Number(retryAfter) >= 1))).toEqual([])
  expect(new Set(answers.flatMap(({ pid }) => pid ?? [])).size).toBeGreaterThan(killed.size)
  await host.stop()
}, 120_000)

/** A function that says its version in two chunks of a stream, made before and after a pause. */
function page(executor: string, version: string): string {
  return `
    export const manifest = { executor: '${executor}' }
    const first = '${version}'
    export default () => {
      const body = new ReadableStream({
        async start(controller) {
          controller.enqueue(Buffer.from(first + ' '))
          await new Promise(resolve => setTimeout(resolve, 2))
          controller.enqueue(Buffer.from(second))
          controller.close()
        },
      })
      return new Response(body)
    }
    const second = '${version}'
  `
}

/** Has four versions follow each other while clients ask, and says with what they were answered. */
async function replaceUnderLoad(host: CliHost, write: (version: number) => Promise<void>) {
  let version = 0
  const latest = new Map<number, string>()
  const clients = Array.from({ length: CLIENTS }, (_, client) =>
    hammer(host.port, '/page', ({ answers }) => {
      latest.set(client, answers.at(-1) as string)
      return version === 4 && answers.at(-1) === 'v4 v4'
    }),
  )
  const isEverywhere = () =>
    latest.size === CLIENTS &&
    [...latest.values()].every(body => body === `v${version} v${version}`)
  await expect.poll(isEverywhere, SOON).toBe(true)
  for (version = 1; version <= 3; version++) {
    await write(version)
    await expect.poll(isEverywhere, SOON).toBe(true)
  }
  await write(version)
  const reports = await Promise.all(clients)
  expect(reports.flatMap(({ failure }) => failure ?? [])).toEqual([])
  const bodies = new Set(reports.flatMap(({ answers }) => answers))
  expect(bodies).toEqual(new Set(['v0 v0', 'v1 v1', 'v2 v2', 'v3 v3', 'v4 v4']))
  await host.someLines(4, ({ reason }) => reason === 'replaced')
  expect(host.lines.filter(({ level }) => level === 'error')).toEqual([])
}

it.each(['thread', 'process'])(
  'new versions in a %s take over whole while clients ask, and no request fails',
  async executor => {
    const { file, host } = await hosting(page(executor, 'v0'))
    await using _host = host
    await replaceUnderLoad(host, version => writeFile(file, page(executor, `v${version}`)))
    await host.stop()
  },
  120_000,
)

it('so do those of a program that only one can run of, as it names its port', async () => {
  const folder = await temporaryFolder()
  const port = await freePort()
  const write = (version: number) =>
    writeFile(
      join(folder, 'page/server.mjs'),
      `import { createServer } from 'node:http'
      const answer = (_, response) => setTimeout(() => response.end('v${version} v${version}'), 2)
      const server = createServer(answer).listen(${port}, '127.0.0.1')
      process.on('SIGTERM', () => server.close())`,
    )
  await mkdir(join(folder, 'page'))
  const command = [process.execPath, 'server.mjs']
  await writeFile(join(folder, 'page/fezz.json'), JSON.stringify({ command, handlerPort: port }))
  await write(0)
  await using host = await serve([folder, '--watch'], {
    env: { FEZZ_RUN_DIR: await temporaryFolder() },
  })
  await replaceUnderLoad(host, write)
  await host.stop()
}, 120_000)
