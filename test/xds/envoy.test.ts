import { describe, expect, it } from 'vitest'
import { RouteTable } from '../../src/routing/route-table.ts'
import { VARIANTS } from '../../src/xds/discovery.ts'
import type { FunctionView } from '../../src/xds/view.ts'
import { type Envoy, envoyProgram } from '../services/envoy.ts'
import { ask, healthy, nodesOf, startDynamic, told } from './envoy-setup.ts'
import { startXds, until } from './setup.ts'
import { Upstream } from './upstream.ts'
import { functionAt } from './views.ts'

const listener = { address: '127.0.0.1', port: 0 }
const functions = Array.from({ length: 12 }, (_, index) =>
  functionAt(`fn-${index}`, [{ path: `/fn-${index}`, methods: 'ANY' }]),
)

async function three(): Promise<[Upstream, Upstream, Upstream]> {
  return Promise.all([Upstream.start('1'), Upstream.start('2'), Upstream.start('3')])
}

/** Where it listens, once it has routes and its hosts are known to be well. */
async function ready(envoy: Envoy, hosts: number): Promise<number> {
  await until(async () => (await envoy.admin('/config_dump')).includes('dynamic_route_configs'))
  await healthy(envoy, hosts)
  return envoy.listenerPort('fezz')
}

describe.skipIf((await envoyProgram()) === undefined)('Envoy with an xDS server', () => {
  it.each(VARIANTS)('finds hosts and functions, over %s', async variant => {
    const hosts = await three()
    await using _hosts = disposing(hosts)
    await using xds = await startXds({ nodes: nodesOf(hosts), functions }, { listener })
    await using envoy = await startDynamic([xds.port], variant)
    const port = await ready(envoy, 6)
    const used = new Set<string>()
    for (const { id } of functions) {
      const names = new Set<string>()
      for (let index = 0; index < 8; index++) {
        names.add((await told(port, `/${id}`, index % 2 ? 'POST' : 'GET')).name)
      }
      expect([id, names.size]).toEqual([id, 1])
      for (const name of names) used.add(name)
    }
    expect(used.size).toBe(3)
    for (const path of [
      '/_metrics',
      '//_metrics',
      '/%5fmetrics?a',
      '/x/../_metrics',
      '/\\_metrics',
    ]) {
      expect([path, (await ask(port, path)).status]).toEqual([path, 404])
    }
    const { acks, nacks, clients } = xds.server.status()
    expect([acks, nacks]).toEqual([
      { clusters: 1, endpoints: 1, listeners: 1, routes: 1 },
      { clusters: 0, endpoints: 0, listeners: 0, routes: 0 },
    ])
    expect(clients).toMatchObject([{ node: 'test-envoy', variant }])
  })

  it.each(VARIANTS)('uses a new node within a second, over %s', async variant => {
    const hosts = await three()
    await using _hosts = disposing(hosts)
    await using xds = await startXds({ nodes: nodesOf(hosts.slice(0, 2)), functions }, { listener })
    await using envoy = await startDynamic([xds.port], variant)
    const port = await ready(envoy, 4)
    xds.server.update({ nodes: nodesOf(hosts), functions })
    await until(async () => {
      await told(port, '/rest')
      return hosts[2].count > 0
    }, 1_000)
  })

  it('gives a draining node nothing new, nor one that fails its health check', async () => {
    const hosts = await three()
    await using _hosts = disposing(hosts)
    await using xds = await startXds({ nodes: nodesOf(hosts), functions }, { listener })
    await using envoy = await startDynamic([xds.port])
    const port = await ready(envoy, 6)
    const [one, ...others] = nodesOf(hosts)
    xds.server.update({ nodes: [{ ...one!, state: 'draining' }, ...others], functions })
    await healthy(envoy, 4)
    hosts[1].health = 503
    await healthy(envoy, 2)
    for (const host of hosts) host.count = 0
    for (const { id } of functions) expect((await told(port, `/${id}`)).name).toBe('3')
    expect(hosts.map(host => host.count)).toEqual([0, 0, functions.length])
  })

  it('a function placed on a node is asked for there alone', async () => {
    const hosts = await three()
    await using _hosts = disposing(hosts)
    const placed = functionAt('placed', '/placed/:x', { placement: { nodes: ['2'] } })
    await using xds = await startXds({ nodes: nodesOf(hosts), functions }, { listener })
    await using envoy = await startDynamic([xds.port])
    const port = await ready(envoy, 6)
    xds.server.update({ nodes: nodesOf(hosts), functions: [...functions, placed] })
    await until(() => xds.server.status().acks.routes === 2)
    for (let index = 0; index < 10; index++) {
      expect((await told(port, `/placed/${index}`)).name).toBe('2')
    }
  })

  it.each(VARIANTS)(
    'says that it has a cluster when its hosts are checked, over %s',
    async variant => {
      const [one, slow] = await three()
      await using _hosts = disposing([one, slow])
      slow.healthAfterMs = 600
      const nodes = nodesOf([one, slow])
      await using xds = await startXds({ nodes: nodes.slice(0, 1), functions }, { listener })
      await using envoy = await startDynamic([xds.port], variant)
      const port = await ready(envoy, 2)
      const status = () => xds.server.status()
      await until(() => status().clients[0]?.kinds.clusters?.waiting === false)
      const tookMs = async (name: string) => {
        const { acks } = status()
        const startedAt = performance.now()
        const placed = functionAt('placed', `/on/${name}`, { placement: { nodes: [name] } })
        xds.server.update({ nodes, functions: [...functions, placed] })
        await until(() => status().acks.routes > acks.routes)
        expect(status().acks.clusters).toBe(acks.clusters + 1)
        expect((await told(port, `/on/${name}`)).name).toBe(name)
        xds.server.update({ nodes, functions })
        await until(() => status().acks.routes > acks.routes + 1)
        return performance.now() - startedAt
      }
      // Were it not so, routes could not follow before the second that they wait at most.
      expect(await tookMs('1')).toBeLessThan(600)
      const slowMs = await tookMs('2')
      expect(slowMs).toBeGreaterThan(600)
      expect(slowMs).toBeLessThan(1_000)
    },
  )

  it('a host that dies with requests in its hands costs none that is safe', async () => {
    const hosts = await three()
    await using _hosts = disposing(hosts)
    await using xds = await startXds({ nodes: nodesOf(hosts), functions }, { listener })
    await using envoy = await startDynamic([xds.port])
    const port = await ready(envoy, 6)
    const { name } = await told(port, '/fn-1')
    const dying = hosts.find(host => host.name === name)!
    dying.onRequest = () => {}
    const before = dying.count
    const asked = Array.from({ length: 20 }, () => ask(port, '/fn-1'))
    await until(() => dying.count > before + 3)
    dying.die()
    const answers = await Promise.all(asked)
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
  })

  it('goes on without a server, and takes nothing twice from the one that comes', async () => {
    const hosts = await three()
    await using _hosts = disposing(hosts)
    const view = { nodes: nodesOf(hosts), functions }
    await using one = await startXds(view, { listener })
    await using envoy = await startDynamic([one.port])
    const port = await ready(envoy, 6)
    const before = await told(port, '/fn-1')
    await one.server.close()
    expect((await told(port, '/fn-1')).name).toBe(before.name)
    await using two = await startXds(structuredClone(view), { listener, port: one.port })
    await until(() => two.server.status().clients[0]?.kinds.routes !== undefined, 10_000)
    expect(two.server.status().acks).toEqual({ clusters: 0, endpoints: 0, listeners: 0, routes: 0 })
    expect((await told(port, '/fn-1')).name).toBe(before.name)
    two.server.update({ ...view, functions: [...functions, functionAt('new', '/new')] })
    await until(() => two.server.status().acks.routes === 1)
  })

  it('waits as long as the function may for the head of an answer, and longer for its end', async () => {
    await using host = await Upstream.start('1')
    const bodyMs = 1_500
    host.onRequest = ({ url }, response) => {
      if (url === '/silent') return
      response.write('head')
      setTimeout(() => response.end(', and end'), bodyMs)
    }
    // With the margin that Envoy gives it on top, half a second.
    const fields = { timeoutMs: -4_500 }
    const timed = [functionAt('s', [{ path: '/silent', methods: 'ANY' }, '/slow'], fields)]
    await using xds = await startXds({ nodes: nodesOf([host]), functions: timed }, { listener })
    await using envoy = await startDynamic([xds.port])
    const port = await ready(envoy, 2)
    expect((await ask(port, '/silent', { method: 'POST' })).status).toBe(504)
    expect(host.count).toBe(1)
    expect(await ask(port, '/slow')).toMatchObject({ status: 200, body: 'head, and end' })
    expect(host.count).toBe(2)
  })

  it('has its own words in the log when it refuses something', async () => {
    const wrong = { address: 'nowhere', port: 0 }
    await using xds = await startXds({ nodes: [], functions }, { listener: wrong })
    await using _envoy = await startDynamic([xds.port])
    await until(() => xds.server.status().nacks.listeners === 1)
    expect(xds.server.status().lastNack).toMatchObject({
      node: 'test-envoy',
      kind: 'listeners',
      message: expect.stringContaining('nowhere'),
    })
    expect(xds.lines.filter(line => line['level'] === 'error')).toHaveLength(1)
  })

  it('takes the route that a host would take', async () => {
    await using host = await Upstream.start('1')
    const { routed, requests, expected } = manyRoutes()
    await using xds = await startXds({ nodes: nodesOf([host]), functions: routed }, { listener })
    await using envoy = await startDynamic([xds.port])
    const port = await ready(envoy, 2)
    for (const [index, { method, path, host }] of requests.entries()) {
      await ask(port, path, { method, headers: { host, 'x-request-id': `r${index}` } })
    }
    await until(() => envoy.output.includes(`"requestId":"r${requests.length - 1}"`))
    const got = new Map<string, string>()
    for (const line of envoy.output.split('\n').filter(text => text.startsWith('{'))) {
      const { requestId, route } = JSON.parse(line) as { requestId: string; route: string }
      got.set(requestId, route)
    }
    const routes = requests.map((request, index) => ({ ...request, route: got.get(`r${index}`) }))
    expect(routes).toEqual(
      requests.map((request, index) => ({ ...request, route: expected[index] })),
    )
  })
})

/** A fixed mixture of routes, some alike, and requests among them; with what a host finds. */
function manyRoutes() {
  const parts = ['a', 'ab', ':x', 'é', 'c@d']
  const routed: FunctionView[] = []
  for (const [i, one] of parts.entries()) {
    for (const [j, two] of ['', ...parts, '*'].entries()) {
      if (one === two) continue
      const path = two === '' ? `/${one}` : `/${one}/${two === ':x' ? ':y' : two}`
      const methods = (i + j) % 3 === 0 ? ('ANY' as const) : (['GET', 'POST'] as const)
      const host = [undefined, 'a.test', '*.test', undefined][(i * 2 + j) % 4]
      const route = { path, methods, priority: (i + 2 * j) % 5 === 0 ? 1 : 0 }
      routed.push(functionAt(`f${i}-${j}`, [host === undefined ? route : { ...route, host }]))
    }
  }
  const requests: { method: string; path: string; host: string }[] = []
  const spelled = ['a', '%61b', 'zzz', '%c3%A9', 'c%40d', 'c@d']
  for (const one of spelled) {
    for (const two of ['', '/', ...spelled.map(part => `/${part}`), '/a/b?q=/a']) {
      for (const host of ['a.test', 'B.test:81', 'else']) {
        const method = ['GET', 'HEAD', 'PUT', 'POST'][requests.length % 4]!
        requests.push({ method, path: `/${one}${two}`, host })
      }
    }
  }
  const table = new RouteTable(
    routed.map(({ id, routes }) => ({ entry: { ...routes[0]!, target: id } }) as never),
  )
  const expected = requests.map(({ method, path, host }) => {
    const found = table.find(path.split('?')[0]!, method, host.toLowerCase())
    return found.kind === 'found' ? found.target : 'rest'
  })
  return { routed, requests, expected }
}

function disposing(hosts: readonly Upstream[]): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      for (const host of hosts) await host[Symbol.asyncDispose]()
    },
  }
}
