import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { envoyProgram } from '../services/envoy.ts'
import { ask, startDynamic, startStatic, type Told, told } from './envoy-setup.ts'
import { startXds, until } from './setup.ts'
import { Upstream } from './upstream.ts'

const program = await envoyProgram()

const METRICS = [
  '/_metrics',
  '//_metrics',
  '/./_metrics',
  '/%5fmetrics',
  '/%5Fm%65trics?format=json',
  '/x/../_metrics',
  '/x/%2e%2E/_metrics',
  '/\\_metrics',
  '/_metrics?',
]

describe.skipIf(program === undefined)('the files for Envoy', () => {
  it.each(['static', 'dynamic'])('%s.yaml is valid', async name => {
    const path = new URL(`../../envoy/${name}.yaml`, import.meta.url).pathname
    const { stdout, stderr } = await promisify(execFile)(program!, [
      '--mode',
      'validate',
      '-c',
      path,
    ])
    expect(stdout + stderr).toContain('OK')
    expect(stdout + stderr).not.toMatch(/deprecated/i)
  })

  it('what hosts and clients see through static.yaml', async () => {
    await using host = await Upstream.start('one')
    await using envoy = await startStatic([host])
    const port = await envoy.listenerPort('fezz')
    for (const path of METRICS) expect([path, (await ask(port, path)).status]).toEqual([path, 404])
    expect(host.count).toBe(0)

    const headers = { 'x-request-id': 'mine', host: 'Example.test:81', 'x-envoy-retry-on': '5xx' }
    const answer = await ask(port, '/%61//b/%2F?q=%61', { headers })
    const { url, headers: seen } = JSON.parse(answer.body) as Told
    expect(url).toBe('/a/b/%2F?q=%61')
    expect(seen).toMatchObject({ 'x-request-id': 'mine', host: 'Example.test:81' })
    expect(seen['x-envoy-retry-on']).toBeUndefined()
    expect(seen['x-envoy-internal']).toBeUndefined()
    expect(answer.headers['x-request-id']).toBe('mine')
    expect(answer.headers['server']).toBeUndefined()
    expect((await told(port, '/')).headers['x-request-id']).toMatch(/^[\da-f-]{36}$/)
    expect((await ask(port, '/', { headers: { a_b: '1' } })).status).toBe(400)
    expect((await ask(port, '/', { headers: { a: 'x'.repeat(16_000) } })).status).toBe(431)
    await until(() => envoy.output.includes('"requestId":"mine"'))
    const line = envoy.output.split('\n').find(text => text.includes('"requestId":"mine"'))!
    expect(JSON.parse(line)).toMatchObject({ path: '/a/b/%2F', status: 200, route: 'safe' })
  })

  it('a host that dies with requests in its hands costs none that is safe', async () => {
    await using one = await Upstream.start('one')
    await using two = await Upstream.start('two')
    await using envoy = await startStatic([one, two])
    const port = await envoy.listenerPort('fezz')
    one.onRequest = () => {}
    const asked = Array.from({ length: 20 }, () => ask(port, '/'))
    await until(() => one.count > 3)
    one.die()
    const answers = await Promise.all(asked)
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
    const later = await Promise.all(
      Array.from({ length: 20 }, () => ask(port, '/', { method: 'POST' })),
    )
    expect(later.map(({ status }) => status)).toEqual(later.map(() => 200))
  })

  it('a request that may have changed something is not sent twice', async () => {
    await using one = await Upstream.start('one')
    await using two = await Upstream.start('two')
    await using envoy = await startStatic([one, two])
    const port = await envoy.listenerPort('fezz')
    for (const host of [one, two]) host.onRequest = request => request.socket.resetAndDestroy()
    expect((await ask(port, '/', { method: 'POST' })).status).toBe(503)
    expect(one.count + two.count).toBe(1)
  })

  it('both files treat hosts and clients alike', async () => {
    await using host = await Upstream.start('one')
    await using one = await startStatic([host])
    await using xds = await startXds(
      { nodes: [], functions: [] },
      { listener: { address: '127.0.0.1', port: 0 } },
    )
    await using two = await startDynamic([xds.port])
    await until(async () => (await two.admin('/config_dump')).includes('dynamic_route_configs'))
    const fixed = await policies(await one.admin('/config_dump'), 'static')
    const told = await policies(await two.admin('/config_dump'), 'dynamic')
    expect(told).toEqual(fixed)
  })
})

type Json = Record<string, unknown>

/** Listener, connection manager and cluster without what has to differ: addresses, routes, balance. */
async function policies(dump: string, kind: 'static' | 'dynamic'): Promise<Json> {
  const { configs } = JSON.parse(dump) as { configs: Json[] }
  const section = (type: string) => configs.find(config => `${config['@type']}`.endsWith(type))!
  const first = (config: Json, list: string) => (config[list] as Json[])[0]!
  const clusters = section('ClustersConfigDump')
  const listeners = section('ListenersConfigDump')
  const { cluster } = (
    kind === 'static'
      ? first(clusters, 'static_clusters')
      : (clusters['dynamic_active_clusters'] as { cluster: Json }[]).find(
          ({ cluster }) => cluster['name'] === 'fezz-spread-all',
        )
  ) as { cluster: Json }
  const { listener } = (
    kind === 'static'
      ? first(listeners, 'static_listeners')
      : first(listeners, 'dynamic_listeners')['active_state']
  ) as { listener: Json }
  const filter = first(first(listener, 'filter_chains'), 'filters')
  const without = (object: Json, ...names: string[]) =>
    Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)))
  return {
    cluster: without(
      cluster,
      ...['name', 'type', 'load_assignment', 'dns_lookup_family', 'eds_cluster_config'],
    ),
    manager: without(filter['typed_config'] as Json, 'route_config', 'rds'),
    buffer: listener['per_connection_buffer_limit_bytes'],
  }
}
