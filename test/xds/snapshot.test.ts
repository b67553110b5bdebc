import { describe, expect, it } from 'vitest'
import type { Snapshot } from '../../src/xds/resource.ts'
import { snapshotOf } from '../../src/xds/snapshot.ts'
import { modelOf, resource } from './envoy-model.ts'
import { functionAt, node } from './views.ts'

interface Assignment {
  readonly endpoints: readonly {
    readonly locality: { readonly zone: string }
    readonly lb_endpoints: readonly {
      readonly endpoint: { address: { socket_address: { address: string; port_value: number } } }
      readonly health_status: number
      readonly load_balancing_weight: { value: number }
    }[]
  }[]
}

const ports = (snapshot: Snapshot, cluster: string) =>
  resource<Assignment>(snapshot, 'endpoints', cluster).endpoints.flatMap(
    ({ locality, lb_endpoints }) =>
      lb_endpoints.map(({ endpoint, health_status: health, load_balancing_weight: weight }) => [
        locality.zone,
        endpoint.address.socket_address.port_value,
        health,
        weight.value,
      ]),
  )

const get = (path: string) => ({ method: 'GET', path, host: 'any.test' })

describe('clusters', () => {
  it('there is one for each way to place and to balance, and two for all nodes from the start', () => {
    const eu = { labels: { region: 'eu' } }
    const functions = [
      functionAt('a', '/a'),
      functionAt('b', '/b', { placement: eu }),
      functionAt('c', '/c', { placement: { labels: { ...eu.labels } } }),
      functionAt('d', '/d', { placement: eu, balance: 'spread' }),
      functionAt('e', '/e', { placement: { nodes: ['2', '1'] } }),
      functionAt('f', '/f', { placement: { nodes: ['1', '2', '2'] } }),
    ]
    const snapshot = snapshotOf({ nodes: [], functions })
    expect(snapshot.clusters.size).toBe(5)
    expect([...snapshot.endpoints.keys()].sort()).toEqual([...snapshot.clusters.keys()].sort())
    const model = modelOf(snapshot)
    const clusterOf = (path: string) => model(get(path))!.route!.cluster
    expect(clusterOf('/a')).toBe('fezz-affinity-all')
    expect(clusterOf('/b')).toBe(clusterOf('/c'))
    expect(clusterOf('/d')).not.toBe(clusterOf('/b'))
    expect(clusterOf('/e')).toBe(clusterOf('/f'))
    expect(clusterOf('/nobody')).toBe('fezz-spread-all')
    expect([...snapshotOf({ nodes: [], functions: [] }).clusters.keys()]).toEqual([
      'fezz-affinity-all',
      'fezz-spread-all',
    ])
  })

  it('have the nodes of their placement, by zone, with capacity and health', () => {
    const nodes = [
      node('1', { port: 1001, zone: 'b', capacity: 4, labels: { gpu: 'yes' } }),
      node('2', { port: 1002, zone: 'a', state: 'draining', labels: { gpu: 'yes' } }),
      node('3', { port: 1003, state: 'starting', labels: { gpu: 'yes' } }),
      node('4', { port: 1004, zone: 'a' }),
    ]
    const functions = [functionAt('a', '/a', { placement: { labels: { gpu: 'yes' } } })]
    const snapshot = snapshotOf({ nodes, functions })
    const { cluster } = modelOf(snapshot)(get('/a'))!.route!
    expect(ports(snapshot, cluster)).toEqual([
      ['a', 1002, 3, 1],
      ['b', 1001, 1, 4],
    ])
    expect(ports(snapshot, 'fezz-spread-all')).toEqual([
      ['a', 1002, 3, 1],
      ['a', 1004, 1, 1],
      ['b', 1001, 1, 4],
    ])
  })

  it('leave out what Envoy would refuse, and an address that another node has taken over', () => {
    const nodes = [
      node('name', { address: 'fezz-1', port: 1001 }),
      node('port', { port: 0 }),
      node('gone', { port: 1002, state: 'draining' }),
      node('here', { port: 1002 }),
      node('six', { address: '::1', port: 1003 }),
    ]
    expect(ports(snapshotOf({ nodes, functions: [] }), 'fezz-spread-all')).toEqual([
      ['', 1002, 1, 1],
      ['', 1003, 1, 1],
    ])
  })
})

describe('routes', () => {
  it('carry the timeout of the function, and prefer a host unless they spread', () => {
    const model = modelOf(
      snapshotOf({
        nodes: [],
        functions: [
          functionAt('a', '/a', { timeoutMs: 1_000 }),
          functionAt('b', '/b', { balance: 'spread' }),
        ],
      }),
    )
    const { route } = model(get('/a'))!
    expect(Number(route!.retry_policy.per_try_timeout.seconds)).toBe(6)
    expect(route!.hash_policy).toHaveLength(1)
    expect(model(get('/b'))!.route!.hash_policy).toHaveLength(0)
  })

  it('never lead to /_metrics, not even to a function of that name', () => {
    const functions = [
      functionAt('m', [{ path: '/_metrics', priority: 9, host: 'any.test', methods: 'ANY' }]),
      functionAt('n', ['/_metrics/more', '/:x']),
    ]
    const model = modelOf(snapshotOf({ nodes: [], functions }))
    expect(model(get('/_metrics'))?.direct_response?.status).toBe(404)
    expect(model(get('/_metrics?a'))?.direct_response?.status).toBe(404)
    expect(model(get('/_metrics/more'))?.name).toBe('n')
    expect(model(get('/_metricsX'))?.name).toBe('n')
  })

  it('for any host are not copied into hundreds of hosts, but for those of placed functions', () => {
    const shared = Array.from({ length: 300 }, (_, index) => functionAt(`s${index}`, `/s/${index}`))
    const hosts = Array.from({ length: 300 }, (_, index) =>
      functionAt(`h${index}`, [{ path: '/*', host: `h${index}.test`, priority: -1 }]),
    )
    const placed = functionAt('placed', '/placed', { placement: { nodes: ['1'] } })
    const snapshot = snapshotOf({ nodes: [], functions: [...shared, ...hosts, placed] })
    expect(snapshot.routes.get('fezz')!.any.length).toBeLessThan(2_000_000)
    const model = modelOf(snapshot)
    const nameAt = (host: string, path: string) => model({ method: 'GET', path, host })?.name
    expect(nameAt('h7.test', '/placed')).toBe('placed')
    expect(nameAt('h7.test', '/own')).toBe('h7')
    expect(nameAt('else', '/s/7')).toBe('s7')
  })
})

describe('versions', () => {
  const nodes = [node('1', { port: 1001 }), node('2', { port: 1002 })]
  const functions = [functionAt('a', '/a'), functionAt('b', '/b')]
  const versions = (snapshot: Snapshot) =>
    Object.values(snapshot).map(kind => Array.from(kind.values(), ({ version }) => version))

  it('are the same wherever the same view is seen, in whatever order', () => {
    const one = snapshotOf({ nodes, functions })
    const other = snapshotOf({
      nodes: [...nodes].reverse(),
      functions: structuredClone([...functions].reverse()),
    })
    expect(versions(other)).toEqual(versions(one))
  })

  it('of routes and clusters stay when a node comes, of endpoints when a route does', () => {
    const one = snapshotOf({ nodes, functions })
    const more = snapshotOf({ nodes: [...nodes, node('3', { port: 1003 })], functions })
    expect([...more.routes.values(), ...more.clusters.values()]).toEqual([
      ...one.routes.values(),
      ...one.clusters.values(),
    ])
    expect(versions(more)).not.toEqual(versions(one))
    const routed = snapshotOf({ nodes, functions: [...functions, functionAt('c', '/c')] })
    expect(routed.endpoints).toEqual(one.endpoints)
    expect(routed.routes).not.toEqual(one.routes)
  })
})
