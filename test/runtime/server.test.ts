import { Hono } from 'hono'
import { describe, expect, it, onTestFinished } from 'vitest'
import { FezzFunction } from '../../decorators/index.ts'
import type { FunctionContext } from '../../src/function/contract.ts'
import { FezzResponse } from '../../src/http/web/fezz-response.ts'
import { HhrfConfig } from '../../src/runtime/config.ts'
import { HhrfServer } from '../../src/runtime/server.ts'

const QUIET = { logLevel: 'silent', maxHeap: 0 } as const

/** A server on nothing of the environment; closed when the test is over. */
function createServer(config: HhrfConfig | ConstructorParameters<typeof HhrfServer>[0] = {}) {
  const given = config instanceof HhrfConfig ? config.input : config
  const server = new HhrfServer({ ...QUIET, ...given }, { env: {} })
  onTestFinished(() => server.close())
  return server
}

const at = (path: string, init?: RequestInit) => new Request(`http://fezz.test${path}`, init)
const text = async (server: HhrfServer, path: string, init?: RequestInit) =>
  (await server.fetch(at(path, init))).text()

/** A class as a decorator would leave it. */
function decorated(id = 'hello', path = `/${id}`) {
  class Hello {
    fetch(request: Request) {
      return FezzResponse.text(`Hello, ${request.headers.get('x-name') ?? 'World'}!`)
    }
  }
  FezzFunction(id, path)(Hello)
  return Hello
}

describe('a function of the program may be', () => {
  it('a class with the decorator, with state and hooks', async () => {
    const events: string[] = []
    class Counter {
      #count = 0
      onLoad({ functionId, version, env }: FunctionContext) {
        events.push(`load ${functionId} ${version} ${env.STEP}`)
        this.#count = 10
      }
      fetch(_: Request, { env }: FunctionContext) {
        this.#count += Number(env.STEP)
        return FezzResponse.json({ count: this.#count })
      }
      onUnload() {
        events.push(`unload ${this.#count}`)
      }
    }
    FezzFunction('counter', '/counter', { method: ['GET', 'POST'], env: { STEP: '5' } })(Counter)
    const server = createServer().register(Counter)
    expect(await text(server, '/counter')).toBe('{"count":15}')
    expect(await text(server, '/counter', { method: 'POST' })).toBe('{"count":20}')
    expect((await server.fetch(at('/counter', { method: 'DELETE' }))).status).toBe(405)
    await server.close()
    expect(events).toEqual(['load counter v1 5', 'unload 20'])
  })

  it('an object of such a class', async () => {
    const Hello = decorated()
    const server = createServer().register(new Hello())
    expect(await text(server, '/hello', { headers: { 'x-name': 'Alice' } })).toBe('Hello, Alice!')
  })

  it('a Workers module, with waitUntil and passThroughOnException', async () => {
    const gate = Promise.withResolvers<void>()
    const module = {
      fetch(_: Request, env: { NAME: string }, ctx: FunctionContext) {
        ctx.passThroughOnException()
        ctx.waitUntil(gate.promise)
        return new Response(`worker of ${env.NAME}`)
      },
    }
    const server = createServer({ env: { NAME: 'host' } })
    server.register(module, { id: 'worker', path: '/worker' })
    expect(await text(server, '/worker')).toBe('worker of host')
    const slot = server.host.deployments.functions.get('worker')!.slot
    expect(slot.inUse).toBe(true)
    gate.resolve()
    await new Promise(setImmediate)
    expect(slot.inUse).toBe(false)
  })

  it('a Hono app, which reads bodies and environment and waits on its own', async () => {
    const app = new Hono<{ Bindings: { NAME: string } }>()
    app.get('/app/:id', c => c.json({ id: c.req.param('id'), name: c.env.NAME }))
    app.post('/app/echo', async c => {
      c.executionCtx.waitUntil(Promise.resolve())
      return c.text((await c.req.json<{ a: string }>()).a, 201)
    })
    const server = createServer().register(app, {
      id: 'app',
      path: '/app/*',
      method: 'ANY',
      env: { NAME: 'n' },
    })
    expect(await text(server, '/app/7')).toBe('{"id":"7","name":"n"}')
    const posted = await server.fetch(at('/app/echo', { method: 'POST', body: '{"a":"b"}' }))
    expect([posted.status, await posted.text()]).toEqual([201, 'b'])
    expect((await server.fetch(at('/app/x/y'))).status).toBe(404)
  })

  it('a plain function', async () => {
    const server = createServer().register(
      (request: Request, { params }: FunctionContext) =>
        FezzResponse.text(`${request.method} ${params.name}`),
      { id: 'plain', path: '/plain/:name' },
    )
    expect(await text(server, '/plain/it')).toBe('GET it')
  })

  it('nothing else', () => {
    const server = createServer()
    for (const value of [undefined, null, 1, 'x', {}, class {}]) {
      expect(() => server.register(value, { id: 'x', path: '/x' })).toThrow(
        expect.objectContaining({ code: 'INVALID_MANIFEST' }),
      )
    }
  })
})

describe('the request of a function of the program', () => {
  it('is a genuine one: wrapped, cloned and sent on', async () => {
    const server = createServer().register(
      async (request: Request) => {
        const copy = request.clone()
        const wrapped = new Request(request, { headers: { 'x-added': '1' } })
        const inner = await server.fetch(new Request('http://fezz.test/inner', wrapped))
        return FezzResponse.json({
          genuine: Object.getPrototypeOf(request) === Request.prototype,
          added: wrapped.headers.get('x-added'),
          copy: await copy.text(),
          inner: await inner.text(),
        })
      },
      { id: 'outer', path: '/outer', method: 'POST' },
    )
    server.register(async (request: Request) => FezzResponse.text(`${await request.text()}!`), {
      id: 'inner',
      path: '/inner',
      method: 'POST',
    })
    expect(JSON.parse(await text(server, '/outer', { method: 'POST', body: 'body' }))).toEqual({
      genuine: true,
      added: '1',
      copy: 'body',
      inner: 'body!',
    })
  })

  it('is aborted with the one that came in', async () => {
    const client = new AbortController()
    const seen = Promise.withResolvers<AbortSignal[]>()
    const server = createServer().register(
      (request: Request, context: FunctionContext) => {
        seen.resolve([request.signal, context.signal])
        return new Promise<Response>(resolve => {
          context.signal.addEventListener('abort', () => resolve(FezzResponse.text('left')))
        })
      },
      { id: 'slow', path: '/slow' },
    )
    const answer = server.fetch(at('/slow', { signal: client.signal }))
    const signals = await seen.promise
    expect(signals.map(signal => signal.aborted)).toEqual([false, false])
    client.abort()
    expect(signals.map(signal => signal.aborted)).toEqual([true, true])
    expect(await (await answer).text()).toBe('left')
  })

  it('is the faster one of the host on demand', async () => {
    const server = createServer().register(
      (request: Request) =>
        FezzResponse.text(String(Object.getPrototypeOf(request) === Request.prototype)),
      { id: 'fast', path: '/fast', webTypes: 'fezz' },
    )
    expect(await text(server, '/fast')).toBe('false')
  })
})

describe('variables', () => {
  it('are those of the host, overlaid with those of the function, and frozen', async () => {
    let env: Record<string, string> = {}
    const server = createServer(new HhrfConfig().env('A', 'host').env('B', 'host'))
    server.register(
      (_: Request, context: FunctionContext) => {
        env = context.env as Record<string, string>
        return FezzResponse.text('')
      },
      { id: 'f', path: '/f', env: { B: 'function', C: 'function' } },
    )
    await text(server, '/f')
    expect({ ...env }).toEqual({ A: 'host', B: 'function', C: 'function' })
    expect(Object.isFrozen(env)).toBe(true)
  })
})

describe('register', () => {
  it('may be chained, and what it declares overlays the decorator', async () => {
    const server = createServer()
      .register(decorated('a'))
      .register(decorated('b'), { path: '/other', version: 'v5' })
    await server.ready()
    expect(await text(server, '/a')).toBe('Hello, World!')
    expect(await text(server, '/other')).toBe('Hello, World!')
    expect((await server.fetch(at('/b'))).status).toBe(404)
    expect(server.host.deployments.functions.get('b')?.version).toBe('v5')
  })

  it('refuses the paths of the host, unless they are switched off', async () => {
    const server = createServer()
    for (const path of ['/_health', '/_metrics']) {
      expect(() => server.register(decorated('x', path))).toThrow(
        new RegExp(`Function "x": path "${path}" belongs to the host`),
      )
    }
    const free = createServer({ enableHealth: false }).register(decorated('x', '/_health'))
    expect(await text(free, '/_health')).toBe('Hello, World!')
  })

  it('runs nothing of the function until its first request', async () => {
    let made = 0
    class Lazy {
      constructor() {
        made++
      }
      fetch() {
        return FezzResponse.text('')
      }
    }
    FezzFunction('lazy', '/lazy')(Lazy)
    const server = createServer().register(Lazy)
    await server.ready()
    expect(made).toBe(0)
    await text(server, '/lazy')
    expect(made).toBe(1)
  })

  it('lets a request wait for what was registered first, however long that loads', async () => {
    const loading = Promise.withResolvers<void>()
    const module = { onLoad: () => loading.promise, fetch: () => FezzResponse.text('up') }
    const server = createServer().register(module, { id: 'm', path: '/m', preload: true })
    await new Promise(setImmediate)
    const early = text(server, '/m')
    await new Promise(setImmediate)
    loading.resolve()
    expect(await early).toBe('up')
  })

  it('on a live server replaces a version, and holds up no request meanwhile', async () => {
    const loading = Promise.withResolvers<void>()
    const module = (version: string, onLoad = async () => {}) => ({
      onLoad,
      fetch: () => FezzResponse.text(version),
    })
    const options = { id: 'm', path: '/m' }
    const server = createServer().register(module('v1'), { ...options, version: 'v1' })
    expect(await text(server, '/m')).toBe('v1')
    server.register(
      module('v2', () => loading.promise),
      { ...options, version: 'v2' },
    )
    expect(await text(server, '/m')).toBe('v1')
    server.register(module('v3'), { ...options, version: 'v3' })
    expect(await text(server, '/m')).toBe('v1')
    loading.resolve()
    await server.ready()
    expect(await text(server, '/m')).toBe('v3')
  })
})

describe('ready', () => {
  const broken = {
    onLoad: () => Promise.reject(new Error('no')),
    fetch: () => FezzResponse.text(''),
  }

  it('rejects when a new version does not load; the old one serves on, also meanwhile', async () => {
    const options = { id: 'm', path: '/m' }
    const server = createServer().register(() => FezzResponse.text('old'), options)
    expect(await text(server, '/m')).toBe('old')
    server.register(broken, options)
    const meanwhile = text(server, '/m')
    await expect(server.ready()).rejects.toMatchObject({ code: 'FUNCTION_LOAD_FAILED' })
    expect(await meanwhile).toBe('old')
    expect(await text(server, '/m')).toBe('old')
    server.register(() => FezzResponse.text('new'), options)
    await server.ready()
    expect(await text(server, '/m')).toBe('new')
  })

  it('resolves for a preloaded function that does not load: its requests retry it', async () => {
    const server = createServer().register(broken, { id: 'm', path: '/m', preload: true })
    await server.ready()
    expect((await server.fetch(at('/m'))).status).toBe(503)
  })

  it('resolves when there is nothing to wait for', async () => {
    await createServer().ready()
  })
})

describe('deploy', () => {
  it('reports what may not be there, and puts the rest in force', async () => {
    const server = createServer()
    const loaded = (id: string, path: string) => ({
      manifest: {
        id,
        version: 'v1',
        description: '',
        routes: [{ methods: 'ANY' as const, path, priority: 0 }],
        timeoutMs: 1_000,
        preload: false,
        env: {},
        execution: {},
      },
      code: { kind: 'live' as const, value: decorated(id), webTypes: 'fezz' as const },
    })
    const failures = await server.deploy({ set: [loaded('a', '/_health'), loaded('b', '/b')] })
    expect(failures).toMatchObject([{ id: 'a', error: { code: 'INVALID_MANIFEST' } }])
    expect(await text(server, '/b')).toBe('Hello, World!')
    expect(await server.deploy({ remove: ['b'] })).toEqual([])
    expect((await server.fetch(at('/b'))).status).toBe(404)
  })
})

describe('the end of a server', () => {
  it('comes with `await using`, without its ever having listened', async () => {
    const events: string[] = []
    {
      await using server = new HhrfServer(QUIET, { env: {} })
      server.register(
        { fetch: () => FezzResponse.text('x'), onUnload: () => void events.push('unload') },
        { id: 'm', path: '/m' },
      )
      await text(server, '/m')
      expect(events).toEqual([])
    }
    expect(events).toEqual(['unload'])
  })

  it('comes once, however often it is asked for', async () => {
    let unloads = 0
    const server = createServer().register(
      { fetch: () => FezzResponse.text('x'), onUnload: () => void unloads++ },
      { id: 'm', path: '/m' },
    )
    await text(server, '/m')
    await Promise.all([
      server.close(),
      server.close(),
      server.drain(),
      server[Symbol.asyncDispose](),
    ])
    await server.close()
    expect(unloads).toBe(1)
    expect((await server.fetch(at('/m'))).status).toBe(503)
  })

  it('does not wait for a request that never ends when it is closed', async () => {
    const server = createServer().register(() => new Promise<Response>(() => {}), {
      id: 'stuck',
      path: '/stuck',
    })
    void server.fetch(at('/stuck'))
    await new Promise(setImmediate)
    await server.close()
  })
})

it('refuses bad settings at once', () => {
  expect(() => new HhrfServer({ port: 70_000 }, { env: {} })).toThrow(/"port".*70000/)
})
