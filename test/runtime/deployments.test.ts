import { describe, expect, it } from 'vitest'
import type { Executor } from '../../src/executors/executor.ts'
import type { Deployment } from '../../src/function/contract.ts'
import type { ManifestInput } from '../../src/function/manifest.ts'
import { checkManifest } from '../../src/function/manifest-schema.ts'
import { FezzResponse } from '../../src/http/web/fezz-response.ts'
import { settled } from '../helpers/fake-clock.ts'
import { AT_REST, functionOf, hostSetup, openStream, Stage } from './host-setup.ts'

/** A function that answers its own version. */
const versioned = (version: string, declared: Partial<ManifestInput> = {}): Deployment =>
  functionOf(() => FezzResponse.text(version), { version, ...declared })

/** A host on which v1 of `f` is loaded and serves one request. */
async function serving(manifest: Partial<ManifestInput> = {}) {
  const setup = hostSetup()
  const v1 = new Stage()
  const v2 = new Stage()
  await setup.deploy(functionOf(v1, { version: 'v1', ...manifest }))
  const first = setup.request('/f')
  await setup.clock.advance(0)
  return {
    ...setup,
    v1,
    v2,
    first,
    oldSlot: setup.slot(),
    deployV2: (more: Partial<ManifestInput> = {}) =>
      setup.deploy(functionOf(v2, { version: 'v2', ...manifest, ...more })),
  }
}

const text = (version: string) => FezzResponse.text(version)

describe('a new version', () => {
  it('loads beside the old one, which serves until it is ready, and takes over', async () => {
    const { v1, v2, first, clock, request, deployV2, states, oldSlot, counters } = await serving()
    const gate = Promise.withResolvers<void>()
    v2.loading = () => gate.promise
    const deployed = deployV2()
    await clock.advance(0)
    expect(v2.events).toEqual(['load'])
    expect(v1.events).toEqual(['load'])
    const meanwhile = request('/f')
    await clock.advance(0)
    expect(v1.calls).toHaveLength(2)

    gate.resolve()
    expect(await deployed).toEqual([])
    const after = request('/f')
    await clock.advance(0)
    expect(v2.calls).toHaveLength(1)
    expect(await states()).toEqual({ 'f v2': 'Ready', 'f v1': 'Ready' })

    v1.calls[0]?.answer(text('v1'))
    await clock.advance(0)
    expect(v1.unloads).toBe(0)
    v1.calls[1]?.answer(text('v1'))
    await clock.advance(0)
    expect([v1.loads, v1.unloads]).toEqual([1, 1])
    expect(await states()).toEqual({ 'f v2': 'Ready' })
    v2.calls[0]?.answer(text('v2'))
    await clock.advance(0)
    for (const [watched, version] of [
      [first, 'v1'],
      [meanwhile, 'v1'],
      [after, 'v2'],
    ] as const) {
      expect(await watched.value?.text()).toBe(version)
    }
    expect(v2.unloads).toBe(0)
    expect(counters(oldSlot)).toEqual(AT_REST)
  })

  it('waits for the stream and the waitUntil of the old one before that is unloaded', async () => {
    const { v1, first, clock, deployV2 } = await serving()
    const stream = openStream()
    const background = Promise.withResolvers<void>()
    v1.last.context.waitUntil(background.promise)
    v1.last.answer(new Response(stream.body))
    await deployV2()
    await clock.advance(0)
    stream.send('all of it')
    stream.end()
    expect(await first.value?.text()).toBe('all of it')
    await clock.advance(0)
    expect(v1.unloads).toBe(0)
    background.resolve()
    await clock.advance(0)
    expect(v1.unloads).toBe(1)
  })

  it('whose onLoad throws is refused and reported; the old one serves on', async () => {
    const { v1, v2, clock, request, deployV2, deploy, slot, oldSlot } = await serving()
    v2.loading = () => {
      throw new Error('no database')
    }
    const [failure, ...others] = await deployV2()
    expect(others).toEqual([])
    expect(failure).toMatchObject({
      id: 'f',
      error: { code: 'FUNCTION_LOAD_FAILED', cause: { message: 'no database' } },
    })
    expect(slot()).toBe(oldSlot)
    request('/f')
    await clock.advance(0)
    expect(v1.calls).toHaveLength(2)
    expect([v2.loads, v2.unloads, v1.unloads]).toEqual([0, 0, 0])

    v2.loading = () => {}
    expect(await deployV2()).toEqual([])
    expect(slot().version).toBe('v2')
    expect(await deploy(versioned('v3'))).toEqual([])
  })

  it('that hangs in onLoad is refused after the load timeout, and unloaded when it comes late', async () => {
    const { v2, clock, deployV2, slot } = await serving()
    const gate = Promise.withResolvers<void>()
    v2.loading = () => gate.promise
    const deployed = deployV2()
    await clock.advance(30_000)
    expect(await deployed).toMatchObject([{ id: 'f', error: { code: 'FUNCTION_LOAD_FAILED' } }])
    expect(slot().version).toBe('v1')
    gate.resolve()
    await clock.advance(0)
    expect([v2.loads, v2.unloads]).toEqual([1, 1])
  })

  it('of a function that is not loaded is not loaded either', async () => {
    const { deploy, states, text } = hostSetup()
    await deploy(versioned('v1'))
    await deploy(versioned('v2'))
    expect(await states()).toEqual({ 'f v2': 'Unloaded' })
    expect(await text('/f')).toBe('v2')
  })

  it('lets those who wait for the load of the old one have it', async () => {
    const { deploy, request, clock, states } = hostSetup()
    const v1 = new Stage()
    const gate = Promise.withResolvers<void>()
    v1.loading = () => gate.promise
    await deploy(functionOf(v1))
    const early = request('/f')
    await clock.advance(0)
    await deploy(versioned('v2'))
    const late = request('/f')
    await clock.advance(0)
    expect(await late.value?.text()).toBe('v2')
    gate.resolve()
    await clock.advance(0)
    v1.last.answer(text('v1'))
    await clock.advance(0)
    expect(await early.value?.text()).toBe('v1')
    expect([v1.loads, v1.unloads]).toEqual([1, 1])
    expect(await states()).toEqual({ 'f v2': 'Ready' })
  })

  it('does not wait for those who queue for a place in the old one, and none is lost', async () => {
    const { v1, v2, first, request, clock, deployV2 } = await serving({ maxConcurrency: 1 })
    const queued = request('/f')
    await clock.advance(0)
    await deployV2()
    const after = request('/f')
    await clock.advance(0)
    expect([v1.calls.length, v2.calls.length]).toEqual([1, 1])
    v1.calls[0]?.answer(text('1'))
    await clock.advance(0)
    expect(v1.unloads).toBe(0)
    v1.calls[1]?.answer(text('2'))
    v2.last.answer(text('3'))
    await clock.advance(0)
    expect(v1.unloads).toBe(1)
    expect(await Promise.all([first, queued, after].map(each => each.value?.text()))).toEqual([
      '1',
      '2',
      '3',
    ])
  })

  it('takes over together with its routes', async () => {
    const { deploy, fetch, text } = hostSetup()
    await deploy(versioned('v1', { path: '/old', env: { A: '1' } }))
    expect(await text('/old')).toBe('v1')
    const deployed = deploy(versioned('v2', { path: '/new' }))
    const seen = new Set<string>()
    for (let done = false; !done; ) {
      const paths = ['/old', '/new'].map(path => fetch(path))
      const bodies = await Promise.all(paths.map(async each => (await each).text()))
      seen.add(bodies.map(body => (body.startsWith('v') ? body : '404')).join(' '))
      done = await Promise.race([
        deployed.then(() => true),
        new Promise<boolean>(r => setImmediate(r, false)),
      ])
    }
    expect([...seen].every(each => each === 'v1 404' || each === '404 v2')).toBe(true)
    expect((await fetch('/old')).status).toBe(404)
    expect(await text('/new')).toBe('v2')
  })
})

describe('an unchanged deployment', () => {
  const counter = () => {
    let count = 0
    return { fetch: () => FezzResponse.text(String(++count)) }
  }

  it('keeps its instance, and with it what it remembers', async () => {
    const { deploy, text, executor } = hostSetup()
    const deployment = functionOf(counter())
    await deploy(deployment)
    await text('/f')
    await deploy(
      { ...deployment, manifest: { ...deployment.manifest } },
      versioned('v1', { id: 'g' }),
    )
    expect(await text('/f')).toBe('2')
    expect(executor.instances).toHaveLength(1)
  })

  it.each<[string, (before: Deployment) => Deployment]>([
    ['its manifest', d => ({ ...d, manifest: { ...d.manifest, timeoutMs: 1 } })],
    ['its environment', d => ({ ...d, env: { A: '1' } })],
    ['its code', d => ({ ...d, code: { kind: 'live', value: counter(), webTypes: 'fezz' } })],
    ['the web types it gets', d => ({ ...d, code: { ...d.code, webTypes: 'platform' } as never })],
  ])('is another one when %s has changed', async (_, change) => {
    const { deploy, text, executor } = hostSetup()
    const deployment = functionOf(counter())
    await deploy(deployment)
    await text('/f')
    await deploy(change(deployment))
    expect(executor.instances).toHaveLength(2)
    expect(executor.instances[0]?.unloads).toBe(1)
  })

  it('of an artifact is told by its content, not by where it lies', async () => {
    const { deploy, slot } = hostSetup()
    const { manifest, env } = versioned('v1')
    const at = (sha256: string, folder: string, exportName = 'default'): Deployment => ({
      manifest,
      env,
      code: { kind: 'artifact', sha256, folder, exportName, entry: '/f.ts' },
    })
    await deploy(at('aa', '/one'))
    const before = slot()
    await deploy(at('aa', '/two'))
    expect(slot()).toBe(before)
    await deploy(at('ab', '/two'))
    expect(slot()).not.toBe(before)
    const after = slot()
    await deploy(at('ab', '/two', 'other'))
    expect(slot()).not.toBe(after)
  })
})

describe('changes', () => {
  it('are applied one after the other', async () => {
    const { v1, v2, clock, deployV2, deploy, host, request } = await serving()
    const gate = Promise.withResolvers<void>()
    v2.loading = () => gate.promise
    const order: string[] = []
    const changes = [
      deployV2().then(() => order.push('v2')),
      deploy(versioned('v3', { preload: true })).then(() => order.push('v3')),
      host.deploy({ remove: ['f'] }).then(() => order.push('none')),
      deploy(versioned('v4')).then(() => order.push('v4')),
    ]
    await clock.advance(0)
    expect(order).toEqual([])
    gate.resolve()
    await Promise.all(changes)
    expect(order).toEqual(['v2', 'v3', 'none', 'v4'])
    expect([v2.loads, v2.unloads]).toEqual([1, 1])
    const last = request('/f')
    v1.last.answer(text('v1'))
    await clock.advance(0)
    expect(await last.value?.text()).toBe('v4')
    expect(v1.unloads).toBe(1)
  })

  it('go on after one that could not be applied, which leaves nothing behind', async () => {
    const { deploy, states, text, fetch, executor } = hostSetup()
    await deploy(versioned('v1'))
    const bad = versioned('v1', { id: 'bad', preload: true })
    const routes = [{ ...bad.manifest.routes[0]!, path: 'no-slash' }]
    await expect(
      deploy({ ...bad, manifest: { ...bad.manifest, routes } }, versioned('v2')),
    ).rejects.toMatchObject({ code: 'INVALID_MANIFEST' })
    expect(executor.instances.map(each => each.unloads)).toEqual([1])
    expect(await states()).toEqual({ 'f v1': 'Unloaded' })
    await deploy(versioned('v3', { id: 'g' }))
    expect(await text('/f')).toBe('v1')
    expect(await text('/g')).toBe('v3')
    expect((await fetch('/bad')).status).toBe(404)
  })

  it('of one function twice at once: the last counts', async () => {
    const { v2, deploy, slot, executor } = await serving()
    expect(await deploy(functionOf(v2, { version: 'v2' }), versioned('v3'))).toEqual([])
    expect(slot().version).toBe('v3')
    expect(v2.events).toEqual([])
    expect(executor.instances.map(each => each.deployment.manifest.version)).toEqual(['v1', 'v3'])
  })

  it('of one function twice at once, the last being what is there: nothing changes', async () => {
    const { v1, v2, deploy, slot, oldSlot } = await serving()
    await deploy(functionOf(v2, { version: 'v2' }), functionOf(v1, { version: 'v1' }))
    expect(slot()).toBe(oldSlot)
    expect(v2.events).toEqual([])
  })

  it('that set and remove a function set it', async () => {
    const { host, text, slot } = hostSetup()
    const v1 = versioned('v1')
    await host.deploy({ set: [v1], remove: ['f'] })
    const before = slot()
    await host.deploy({ set: [v1], remove: ['f', 'unknown'] })
    expect(slot()).toBe(before)
    expect(await text('/f')).toBe('v1')
    await host.deploy({ set: [versioned('v2')], remove: ['f'] })
    expect(await text('/f')).toBe('v2')
  })

  it('that set and remove a function keep the old version when the new one fails', async () => {
    const { v2, host, slot, oldSlot } = await serving()
    v2.loading = () => Promise.reject(new Error('no'))
    const set = [functionOf(v2, { version: 'v2' })]
    expect(await host.deploy({ set, remove: ['f'] })).toHaveLength(1)
    expect(slot()).toBe(oldSlot)
  })

  it('of several functions: one that fails does not hold the others back', async () => {
    const { deploy, text } = hostSetup()
    const both = (version: string, onLoad = () => {}) => [
      functionOf({ fetch: () => FezzResponse.text(version), onLoad }, { version }),
      versioned(version, { id: 'g' }),
    ]
    await deploy(...both('v1'))
    await Promise.all([text('/f'), text('/g')])
    const failures = await deploy(
      ...both('v2', () => {
        throw new Error('no')
      }),
    )
    expect(failures).toMatchObject([{ id: 'f' }])
    expect(await Promise.all([text('/f'), text('/g')])).toEqual(['v1', 'v2'])
  })

  it('of other functions do not wait for a slow load', async () => {
    const { v2, clock, deployV2, deploy, text: get, slot } = await serving()
    const gate = Promise.withResolvers<void>()
    v2.loading = () => gate.promise
    const slow = deployV2()
    await clock.advance(0)
    expect(await deploy(versioned('v1', { id: 'g' }))).toEqual([])
    expect(await get('/g')).toBe('v1')
    expect(slot().version).toBe('v1')
    gate.resolve()
    expect(await slow).toEqual([])
    expect(slot().version).toBe('v2')
    expect(await get('/g')).toBe('v1')
  })

  it('keep functions in the order of their ids, whichever came first', async () => {
    const { deploy, host } = hostSetup()
    await deploy(versioned('v1', { id: 'c' }), versioned('v1', { id: 'a' }))
    await deploy(versioned('v2', { id: 'a' }), versioned('v1', { id: 'b' }))
    await host.deploy({ set: [versioned('v3', { id: 'a' })], remove: ['a'] })
    expect([...host.deployments.functions.keys()]).toEqual(['a', 'b', 'c'])
  })
})

describe('a removed function', () => {
  it('has no route any more, finishes what it has, and is unloaded', async () => {
    const { v1, first, host, fetch, clock, oldSlot, counters } = await serving()
    await host.deploy({ remove: ['f'] })
    expect((await fetch('/f')).status).toBe(404)
    expect(v1.unloads).toBe(0)
    v1.last.answer(text('v1'))
    await clock.advance(0)
    expect(await first.value?.text()).toBe('v1')
    expect(v1.unloads).toBe(1)
    expect(counters(oldSlot)).toEqual(AT_REST)
  })

  it('is counted until it is unloaded, and then no more', async () => {
    const { v1, host, metrics, clock } = await serving()
    const scrape = async () => Buffer.concat((await metrics.render()).body).toString()
    const counted = metrics.forFunction('f')
    await host.deploy({ remove: ['f'] })
    expect(await scrape()).toContain('fezz_requests_in_flight{function="f"} 1')
    v1.last.answer(text('v1'))
    await clock.advance(0)
    expect(counted.unloads('removed')).toBe(1)
    expect(await scrape()).not.toContain('function="f"')
  })

  it('that comes back while it drains keeps its counters', async () => {
    const { v1, host, deploy, metrics, clock, text: get } = await serving()
    await host.deploy({ remove: ['f'] })
    await deploy(versioned('v2'))
    expect(await get('/f')).toBe('v2')
    v1.last.answer(text('v1'))
    await clock.advance(0)
    expect(metrics.forFunction('f')).toMatchObject({ inFlight: 0, loads: 2 })
    expect(metrics.forFunction('f').requests('2xx')).toBe(2)
  })

  it('may be one that was never there', async () => {
    const { host } = hostSetup()
    expect(await host.deploy({ remove: ['never'] })).toEqual([])
  })
})

describe('a preloaded function', () => {
  it('is loaded before its first request', async () => {
    const { deploy, states } = hostSetup()
    await deploy(versioned('v1', { preload: true }), versioned('v1', { id: 'lazy' }))
    expect(await states()).toEqual({ 'f v1': 'Ready', 'lazy v1': 'Unloaded' })
  })

  it('that cannot be loaded is there all the same, and its requests retry it', async () => {
    const { deploy, fetch, clock, text: get } = hostSetup()
    let broken = true
    const onLoad = () => {
      if (broken) throw new Error('not yet')
    }
    const value = { onLoad, fetch: () => text('up') }
    expect(await deploy(functionOf(value, { preload: true }))).toEqual([])
    expect((await fetch('/f')).status).toBe(503)
    broken = false
    await clock.advance(1_000)
    expect(await get('/f')).toBe('up')
  })
})

describe('programs that name their port', () => {
  /** A host whose programs cannot start while another one has their port. */
  function portSetup() {
    const events: string[] = []
    const taken = new Set<number>()
    const executor: Executor = {
      kind: 'process',
      prepare() {},
      async load({ manifest: { id, execution } }) {
        const port = execution.handlerPort as number
        if (taken.has(port)) throw new Error(`port ${port} is in use`)
        taken.add(port)
        events.push(`${id} has ${port}`)
        return {
          fetch: () => text(id),
          async unload() {
            taken.delete(port)
          },
          exited: new Promise<never>(() => {}),
        }
      },
      async forget() {},
      async close() {},
      async [Symbol.asyncDispose]() {},
    }
    return { events, ...hostSetup({}, executor) }
  }

  const program = (id: string, handlerPort: number): Deployment => {
    const manifest = checkManifest({ id, path: `/${id}`, preload: true, handlerPort }, id)
    const code = { folder: '/f', command: ['./x'], protocol: 'http', env: {}, reads: [] } as const
    return { manifest, code: { kind: 'program', sha256: '0', ...code }, env: {} }
  }

  it('may get another id in one change, and take the port over', async () => {
    const { host, events, states } = portSetup()
    await host.deploy({ set: [program('a', 80)] })
    expect(await host.deploy({ set: [program('b', 80)], remove: ['a'] })).toEqual([])
    await settled()
    expect(events).toEqual(['a has 80', 'b has 80'])
    expect(await states()).toEqual({ 'b v1': 'Ready' })
  })

  it('may exchange their ports in one change', async () => {
    const { host, events } = portSetup()
    await host.deploy({ set: [program('a', 80), program('b', 81)] })
    expect(await host.deploy({ set: [program('a', 81), program('b', 80)] })).toEqual([])
    await settled()
    expect(events.slice(2)).toEqual(['a has 81', 'b has 80'])
  })
})

describe('two functions with one route', () => {
  const claiming = (id: string, path: string, more: Partial<ManifestInput> = {}) =>
    functionOf(() => FezzResponse.text(id), { id, path, method: 'GET', ...more })
  const warnings = ({ lines }: ReturnType<typeof hostSetup>) =>
    lines.filter(line => line['level'] === 'warn').map(line => line['msg'])

  it('are reported, and the one whose id comes first answers', async () => {
    const setup = hostSetup()
    await setup.deploy(claiming('first', '/a/:x'), claiming('second', '/a/:y'))
    expect(warnings(setup)).toEqual(['/a/:y is answered by function "first", whose id comes first'])
  })

  it('are not when method, host or priority tell them apart', async () => {
    const setup = hostSetup()
    await setup.deploy(
      claiming('get', '/a'),
      claiming('post', '/a', { method: 'POST' }),
      claiming('host', '/a', { host: 'a.example.com' }),
      claiming('prior', '/a', { priority: 1 }),
    )
    expect(warnings(setup)).toEqual([])
  })
})
