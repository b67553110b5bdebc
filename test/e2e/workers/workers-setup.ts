import { request } from 'node:http'
import { resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { type CliHost, serve } from '../../helpers/cli.ts'

/** File of an example function. */
export function functionFile(name: string): string {
  return resolve(import.meta.dirname, `../functions/${name}.ts`)
}

/** Two workers with `quick` and `restless`, both ready. */
export async function serveByTwo(
  env: Readonly<Record<string, string>> = {},
  args: readonly string[] = [functionFile('quick'), functionFile('restless')],
): Promise<CliHost> {
  const host = await serve(args, {
    env: { FEZZ_WORKERS: '2', FEZZ_DRAIN_DELAY: '0s', ...env },
  })
  await host.someLines(2, ({ msg }) => msg.startsWith('listening'))
  while ((await workersOf(host)).some(({ state }) => state !== 'ready')) await nextAnswer(host)
  return host
}

/** A worker as the JSON form of `/_metrics` tells of it. */
export interface WorkerView {
  readonly worker: number
  readonly pid: number
  readonly state: string
}

export async function workersOf(host: CliHost): Promise<readonly WorkerView[]> {
  const response = await host.fetch('/_metrics', { headers: { accept: 'application/json' } })
  return ((await response.json()) as { workers: WorkerView[] }).workers
}

/** Samples of a scrape: `name{labels}` to value. */
export async function samplesOf(host: CliHost): Promise<Map<string, number>> {
  const lines = (await host.get('/_metrics')).split('\n').filter(line => /^[a-z]/.test(line))
  return new Map(
    lines.map(line => {
      const at = line.lastIndexOf(' ')
      return [line.slice(0, at), Number(line.slice(at + 1))]
    }),
  )
}

/** Body of a GET on a connection of its own, so that any worker may take it; `''` when it is cut. */
export function getAnew(host: CliHost, path: string): Promise<string> {
  return new Promise(resolve => {
    request({ port: host.port, path, agent: false })
      .on('response', response => text(response).then(resolve, () => resolve('')))
      .on('error', () => resolve(''))
      .end()
  })
}

/** Process of whichever worker takes the next connection. */
async function nextAnswer(host: CliHost): Promise<number> {
  return Number(await getAnew(host, '/restless/pid'))
}

/** Asks until `enough` processes have answered. */
export async function answeringProcesses(host: CliHost, enough: number): Promise<Set<number>> {
  const pids = new Set<number>()
  // At once, for it takes more than one request to keep more than one worker busy.
  while (pids.size < enough) {
    const answers = await Promise.all(Array.from({ length: 8 }, () => nextAnswer(host)))
    for (const pid of answers) pids.add(pid)
  }
  return pids
}
