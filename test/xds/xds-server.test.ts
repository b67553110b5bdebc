import { describe, expect, it } from 'vitest'
import { AdsClient, type DeltaResponse, type SotwResponse } from './ads-client.ts'
import { startXds, until } from './setup.ts'
import { functionAt, node } from './views.ts'

const nodes = [node('1', { port: 1001 }), node('2', { port: 1002 })]
const functions = [functionAt('a', '/a')]
const view = { nodes, functions }
const more = { nodes, functions: [...functions, functionAt('b', '/b')] }
const ALL = 'fezz-spread-all'
const BY_FUNCTION = 'fezz-affinity-all'

const ack = ({ version_info, nonce }: SotwResponse) => ({ version_info, response_nonce: nonce })
const names = ({ resources }: DeltaResponse) => resources.map(({ name }) => name).sort()

describe('state of the world', () => {
  it('tells all of a kind, and again only when it has changed', async () => {
    await using xds = await startXds(view)
    using client = AdsClient.sotw(xds.port)
    client.send('clusters')
    const clusters = await client.next('clusters')
    expect(clusters.resources).toHaveLength(2)
    client.send('clusters', ack(clusters))
    client.send('routes', { resource_names: ['fezz'] })
    const routes = await client.next('routes')
    client.send('routes', { resource_names: ['fezz'], ...ack(routes) })
    await until(() => xds.server.status().acks.routes === 1)
    xds.server.update(more)
    const next = await client.next('routes')
    expect(next.version_info).not.toBe(routes.version_info)
    expect(client.pending).toBe(0)
    const { kinds } = xds.server.status().clients[0]!
    expect(kinds.clusters?.accepted).toBe(clusters.version_info)
    expect(kinds.routes).toMatchObject({ accepted: routes.version_info, waiting: true })
  })

  it('gives one response at a time: who is slow gets the newest next', async () => {
    await using xds = await startXds(view)
    using client = AdsClient.sotw(xds.port)
    client.send('endpoints', { resource_names: [ALL] })
    const first = await client.next('endpoints')
    for (const port of [1003, 1004, 1005]) {
      xds.server.update({ functions, nodes: [...nodes, node('3', { port })] })
    }
    client.send('endpoints', { resource_names: [ALL], ...ack(first) })
    const second = await client.next('endpoints')
    client.send('endpoints', { resource_names: [ALL], ...ack(second) })
    await until(() => xds.server.status().acks.endpoints === 2)
    expect(client.pending).toBe(0)
  })

  it('does not listen to a request with the nonce of an earlier response', async () => {
    await using xds = await startXds(view)
    using client = AdsClient.sotw(xds.port)
    client.send('endpoints', { resource_names: [ALL] })
    const first = await client.next('endpoints')
    client.send('endpoints', { resource_names: [ALL], ...ack(first) })
    await until(() => xds.server.status().acks.endpoints === 1)
    xds.server.update({ functions, nodes: [node('1', { port: 1001 })] })
    const second = await client.next('endpoints')
    client.send('endpoints', { resource_names: [ALL, BY_FUNCTION], ...ack(first) })
    client.send('endpoints', { resource_names: [ALL], ...ack(second) })
    await until(() => xds.server.status().acks.endpoints === 2)
    expect(client.pending).toBe(0)
  })

  it('answers when more names are asked for, and when a name is asked for again', async () => {
    await using xds = await startXds(view)
    using client = AdsClient.sotw(xds.port)
    client.send('endpoints', { resource_names: [ALL] })
    const one = await client.next('endpoints')
    client.send('endpoints', { resource_names: [ALL, BY_FUNCTION], ...ack(one) })
    const two = await client.next('endpoints')
    expect(two.resources).toHaveLength(2)
    client.send('endpoints', { resource_names: [], ...ack(two) })
    client.send('endpoints', { resource_names: [ALL], ...ack(two) })
    expect((await client.next('endpoints')).resources).toHaveLength(1)
  })

  it('logs a refusal once, in the words of the client, and does not send it again', async () => {
    await using xds = await startXds(view)
    using client = AdsClient.sotw(xds.port)
    client.send('clusters')
    const { nonce, version_info } = await client.next('clusters')
    client.send('clusters', {
      response_nonce: nonce,
      error_detail: { code: 3, message: 'no such balancer' },
    })
    await until(() => xds.server.status().nacks.clusters === 1)
    xds.server.update(more)
    client.send('routes', { resource_names: ['fezz'] })
    await client.next('routes')
    expect(client.pending).toBe(0)
    const refusal = {
      node: 'test',
      kind: 'clusters',
      version: version_info,
      message: 'no such balancer',
    }
    expect(xds.server.status().lastNack).toEqual(refusal)
    expect(xds.lines.filter(line => line['level'] === 'error')).toMatchObject([{ xds: refusal }])
  })

  it('sends nothing to a client that comes from another server and has it all', async () => {
    await using one = await startXds(view)
    await using two = await startXds(structuredClone(view))
    using before = AdsClient.sotw(one.port)
    before.send('clusters')
    before.send('endpoints', { resource_names: [ALL] })
    const clusters = await before.next('clusters')
    const endpoints = await before.next('endpoints')
    using after = AdsClient.sotw(two.port)
    after.send('clusters', ack(clusters))
    after.send('endpoints', { resource_names: [ALL], ...ack(endpoints) })
    after.send('listeners')
    await after.next('listeners')
    expect(after.pending).toBe(0)
    expect(two.server.status().version).toBe(one.server.status().version)
  })
})

describe('delta', () => {
  it('tells what has changed, and what is gone', async () => {
    await using xds = await startXds({
      nodes,
      functions: [functionAt('a', '/a', { placement: { nodes: ['1'] } })],
    })
    using client = AdsClient.delta(xds.port)
    client.send('clusters')
    const clusters = await client.next('clusters')
    const placed = names(clusters).find(name => name !== ALL && name !== BY_FUNCTION)!
    client.send('clusters', { response_nonce: clusters.nonce })
    client.send('endpoints', { resource_names_subscribe: [ALL, placed] })
    const endpoints = await client.next('endpoints')
    expect(names(endpoints)).toEqual([placed, ALL].sort())
    client.send('endpoints', { response_nonce: endpoints.nonce })
    await until(() => xds.server.status().acks.endpoints === 1)
    xds.server.update({
      functions: [functionAt('a', '/a', { placement: { nodes: ['1'] } })],
      nodes: [node('1', { port: 1001 }), node('2', { port: 1002, state: 'draining' })],
    })
    const changed = await client.next('endpoints')
    expect(names(changed)).toEqual([ALL])
    expect(client.pending).toBe(0)
  })

  it('sends again what is subscribed to again, and nothing of what is not any more', async () => {
    await using xds = await startXds(view)
    using client = AdsClient.delta(xds.port)
    client.send('endpoints', { resource_names_subscribe: [ALL, BY_FUNCTION] })
    const first = await client.next('endpoints')
    client.send('endpoints', {
      response_nonce: first.nonce,
      resource_names_unsubscribe: [BY_FUNCTION],
      resource_names_subscribe: [ALL],
    })
    const second = await client.next('endpoints')
    expect(names(second)).toEqual([ALL])
    client.send('endpoints', { response_nonce: second.nonce })
    await until(() => xds.server.status().acks.endpoints === 2)
    xds.server.update({ functions, nodes: [node('1', { port: 1001 })] })
    expect(names(await client.next('endpoints'))).toEqual([ALL])
  })

  it('a request that answers no response is neither yes nor no to the one under way', async () => {
    await using xds = await startXds(view)
    using client = AdsClient.delta(xds.port)
    client.send('endpoints', { resource_names_subscribe: [ALL] })
    const { nonce } = await client.next('endpoints')
    client.send('endpoints', { resource_names_subscribe: [BY_FUNCTION] })
    client.send('listeners')
    await client.next('listeners')
    expect(xds.server.status().acks.endpoints).toBe(0)
    client.send('endpoints', { response_nonce: nonce })
    expect(names(await client.next('endpoints'))).toEqual([BY_FUNCTION])
  })

  it('says that there is no such resource, and sends it when it comes', async () => {
    const placement = { nodes: ['1'] }
    await using xds = await startXds(view)
    const placed = { nodes, functions: [functionAt('a', '/a', { placement })] }
    await using other = await startXds(placed)
    using probe = AdsClient.delta(other.port)
    probe.send('clusters')
    const name = names(await probe.next('clusters')).find(found => !found.endsWith('-all'))!
    using client = AdsClient.delta(xds.port)
    client.send('endpoints', { resource_names_subscribe: [name] })
    const absent = await client.next('endpoints')
    expect(absent.removed_resources).toEqual([name])
    client.send('endpoints', { response_nonce: absent.nonce })
    xds.server.update(placed)
    expect(names(await client.next('endpoints'))).toEqual([name])
  })

  it('sends a client that comes from another server only what it lacks', async () => {
    await using one = await startXds(view)
    await using two = await startXds(structuredClone(more))
    using before = AdsClient.delta(one.port)
    const had: Record<string, Record<string, string>> = {}
    for (const kind of ['clusters', 'listeners', 'routes'] as const) {
      before.send(kind, kind === 'routes' ? { resource_names_subscribe: ['fezz'] } : {})
      const { resources } = await before.next(kind)
      had[kind] = Object.fromEntries(resources.map(({ name, version }) => [name, version]))
    }
    using after = AdsClient.delta(two.port)
    after.send('clusters', { initial_resource_versions: { ...had['clusters'], old: '1' } })
    const clusters = await after.next('clusters')
    expect([names(clusters), clusters.removed_resources]).toEqual([[], ['old']])
    after.send('listeners', { initial_resource_versions: had['listeners'] })
    after.send('routes', {
      resource_names_subscribe: ['fezz'],
      initial_resource_versions: had['routes'],
    })
    expect(names(await after.next('routes'))).toEqual(['fezz'])
    expect(after.pending).toBe(0)
  })

  it('refusals are counted, and end when something else is accepted', async () => {
    await using xds = await startXds(view)
    using client = AdsClient.delta(xds.port)
    client.send('routes', { resource_names_subscribe: ['fezz'] })
    const { nonce } = await client.next('routes')
    client.send('routes', {
      response_nonce: nonce,
      error_detail: { code: 3, message: 'bad regex' },
    })
    await until(() => xds.server.status().nacks.routes === 1)
    const refused = () => xds.server.status().clients[0]!.kinds.routes!.refused
    expect(refused()).toBe('bad regex')
    xds.server.update(more)
    client.send('routes', { response_nonce: (await client.next('routes')).nonce })
    await until(() => refused() === undefined)
    expect(xds.server.status().acks.routes).toBe(1)
  })
})

describe('a server', () => {
  it('lets clients wait until it knows something', async () => {
    await using xds = await startXds()
    using client = AdsClient.delta(xds.port)
    client.send('clusters')
    await until(() => xds.server.status().clients[0]?.kinds.clusters !== undefined)
    expect(client.pending).toBe(0)
    xds.server.update(view)
    expect(names(await client.next('clusters'))).toEqual([BY_FUNCTION, ALL])
  })

  it('tells nothing of a change that Envoy does not see', async () => {
    await using xds = await startXds(view)
    using client = AdsClient.delta(xds.port)
    client.send('routes', { resource_names_subscribe: ['fezz'] })
    client.send('routes', { response_nonce: (await client.next('routes')).nonce })
    await until(() => xds.server.status().acks.routes === 1)
    const { version } = xds.server.status()
    xds.server.update(structuredClone(view))
    xds.server.update({ nodes, functions: structuredClone(more.functions) })
    expect((await client.next('routes')).resources).toHaveLength(1)
    expect(client.pending).toBe(0)
    expect(xds.server.status().version).not.toBe(version)
  })

  it('outlives bytes that are no request, and clients that vanish', async () => {
    await using xds = await startXds(view)
    using bad = AdsClient.sotw(xds.port)
    bad.sendBytes(Buffer.from([0xff, 0xff, 0xff]))
    expect(await bad.ended).toMatchObject({ code: 3 })
    const gone = AdsClient.delta(xds.port)
    gone.send('clusters')
    await gone.next('clusters')
    gone[Symbol.dispose]()
    await until(() => xds.server.status().clients.length === 0)
    using client = AdsClient.delta(xds.port)
    client.send('clusters')
    expect((await client.next('clusters')).resources).toHaveLength(2)
  })

  it('ends its streams when it is closed, and may be closed twice', async () => {
    await using xds = await startXds(view)
    using client = AdsClient.sotw(xds.port)
    client.send('clusters')
    await client.next('clusters')
    await Promise.all([xds.server.close(), xds.server.close()])
    await client.ended
    expect(xds.server.status().clients).toEqual([])
  })

  it('says which address it cannot have', async () => {
    await using xds = await startXds(view)
    await expect(startXds(view, { port: xds.port })).rejects.toThrow(`127.0.0.1:${xds.port}`)
  })
})
