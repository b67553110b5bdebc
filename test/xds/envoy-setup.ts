import { readFile } from 'node:fs/promises'
import { request } from 'node:http'
import type { Variant } from '../../src/xds/discovery.ts'
import type { NodeView } from '../../src/xds/view.ts'
import { type Envoy, startEnvoy } from '../services/envoy.ts'
import { until } from './setup.ts'
import type { Upstream } from './upstream.ts'
import { node } from './views.ts'

/** So that an access log line is there when the answer is. */
const ARGS = ['--file-flush-interval-msec', '10', '--reject-unknown-dynamic-fields']

function file(name: 'static' | 'dynamic'): Promise<string> {
  return readFile(new URL(`../../envoy/${name}.yaml`, import.meta.url), 'utf8')
}

/** envoy/static.yaml with these hosts, on a free port. */
export async function startStatic(hosts: readonly Upstream[]): Promise<Envoy> {
  const lines = (await file('static')).replace(
    '0.0.0.0, port_value: 80 ',
    '127.0.0.1, port_value: 0 ',
  )
  const line = /^.*address: fezz-1, port_value: 8080.*\n/m.exec(lines)![0]
  const own = hosts.map(({ port }) =>
    line.replace('fezz-1', '127.0.0.1').replace('8080', `${port}`),
  )
  const config = lines.replace(/^.*address: fezz-[23].*\n/gm, '').replace(line, own.join(''))
  const envoy = await startEnvoy({ config, args: ARGS })
  await healthy(envoy, hosts.length)
  return envoy
}

/** envoy/dynamic.yaml with a server of ours. */
export async function startDynamic(
  ports: readonly number[],
  variant: Variant = 'delta',
): Promise<Envoy> {
  const lines = await file('dynamic')
  const line = /^.*address: fezz-1, port_value: 18000.*\n/m.exec(lines)![0]
  const own = ports.map(port => line.replace('fezz-1', '127.0.0.1').replace('18000', `${port}`))
  const config = lines
    .replace(/^.*address: fezz-2.*\n/m, '')
    .replace(line, own.join(''))

    .replace(
      'api_type: DELTA_GRPC',
      variant === 'delta' ? 'api_type: DELTA_GRPC' : 'api_type: GRPC',
    )
    .replace('id: envoy-1', 'id: test-envoy')
  return startEnvoy({ config, args: ARGS, until: 'admin' })
}

/** Until that many hosts, in all clusters together, take requests. */
export function healthy(envoy: Envoy, count: number): Promise<void> {
  return until(async () => {
    const stats = await envoy.stats(
      '^cluster\\.fezz(-affinity-.*|-spread-.*)?\\.membership_healthy$',
    )
    return [...stats.values()].reduce((sum, value) => sum + value, 0) === count
  }, 10_000)
}

export function nodesOf(hosts: readonly Upstream[], fields: Partial<NodeView> = {}): NodeView[] {
  return hosts.map(({ name, port }) => node(name, { port, ...fields }))
}

export interface Answer {
  readonly status: number
  readonly headers: NodeJS.Dict<string | string[]>
  readonly body: string
}

/** What an upstream tells of itself and the request. */
export interface Told {
  readonly name: string
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

/** One request, its path sent as it is. */
export function ask(
  port: number,
  path: string,
  options: { method?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, agent: false, ...options }, response => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', chunk => {
        body += chunk
      })
      response.on('end', () =>
        resolve({ status: response.statusCode!, headers: response.headers, body }),
      )
      response.on('error', reject)
    })
      .on('error', reject)
      .end()
  })
}

export async function told(port: number, path: string, method = 'GET'): Promise<Told> {
  return JSON.parse((await ask(port, path, { method })).body)
}
