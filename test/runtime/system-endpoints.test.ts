import { describe, expect, it } from 'vitest'
import { FezzResponse } from '../../src/http/web/fezz-response.ts'
import type { ConfigInput } from '../../src/runtime/config.ts'
import { functionOf, hostSetup, Stage } from './host-setup.ts'

const JSON_FORM = { headers: { accept: 'application/json' } }

/** A host whose function takes every path by every method. */
async function withCatchAll(config: ConfigInput = {}) {
  const setup = hostSetup(config)
  await setup.deploy(
    functionOf((request: Request) => FezzResponse.text(`function ${request.method}`), {
      path: '/*',
    }),
  )
  return setup
}

describe('/_health', () => {
  it('is 200 OK, before and while functions run', async () => {
    const { fetch, deploy } = hostSetup()
    const response = await fetch('/_health')
    expect(response.status).toBe(200)
    expect(await response.text()).toBe('OK')
    await deploy(functionOf(new Stage()))
    expect((await fetch('/_health?probe=1')).status).toBe(200)
  })

  it('is 503 from the moment the host drains, while requests are served on', async () => {
    const { fetch, text, host } = await withCatchAll()
    host.readiness = 'draining'
    const response = await fetch('/_health', { headers: { 'x-request-id': 'probe' } })
    expect(response.status).toBe(503)
    expect(response.headers.get('x-request-id')).toBe('probe')
    expect(await text('/any')).toBe('function GET')
  })

  it('is 503 until the host knows its functions; what has no route may be on its way', async () => {
    const { fetch, text, deploy, host } = hostSetup()
    host.readiness = 'starting'
    expect((await fetch('/_health')).status).toBe(503)
    expect(await text('/_health')).toBe('starting')
    const early = await fetch('/f')
    expect([early.status, early.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await early.json()).toMatchObject({ code: 'STARTING' })
    await deploy(functionOf(() => FezzResponse.text('there')))
    expect(await text('/f')).toBe('there')
    host.readiness = 'ready'
    expect(await text('/_health')).toBe('OK')
    expect((await fetch('/g')).status).toBe(404)
  })

  it('belongs to the host though a function takes every path', async () => {
    const { text } = await withCatchAll()
    expect(await text('/_health')).toBe('OK')
  })

  it('answers HEAD too, and leaves other methods and paths to the functions', async () => {
    const { fetch, text } = await withCatchAll()
    expect((await fetch('/_health', { method: 'HEAD' })).status).toBe(200)
    expect(await text('/_health', { method: 'POST' })).toBe('function POST')
    for (const path of ['/_healthy', '/_health/', '/_', '/_other', '/x/_health']) {
      expect([path, await text(path)]).toEqual([path, 'function GET'])
    }
  })
})

describe('/_metrics', () => {
  it('is Prometheus text by default', async () => {
    const { fetch, text } = await withCatchAll()
    await text('/any')
    const response = await fetch('/_metrics', { headers: { 'x-request-id': 'scrape' } })
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
    expect(response.headers.get('x-request-id')).toBe('scrape')
    const body = await response.text()
    expect(body).toContain('fezz_requests_total{status_class="2xx",function="f"} 1')
    expect(body).toContain('fezz_functions{state="Ready"} 1')
    expect(body).toContain('fezz_routes 1')
  })

  it('is the table of functions for who wants JSON', async () => {
    const { fetch, deploy, request, clock } = hostSetup()
    const stage = new Stage()
    await deploy(
      functionOf(stage, { method: ['GET'], version: 'v7' }),
      functionOf(stage, { id: 'g' }),
    )
    request('/f')
    await clock.advance(0)
    const response = await fetch('/_metrics', JSON_FORM)
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(await response.json()).toEqual({
      functions: [
        {
          name: 'f',
          version: 'v7',
          state: 'Ready',
          inFlight: 1,
          routes: [{ methods: ['GET'], path: '/f', priority: 0 }],
        },
        {
          name: 'g',
          version: 'v1',
          state: 'Unloaded',
          inFlight: 0,
          routes: [{ methods: 'ANY', path: '/g', priority: 0 }],
        },
      ],
    })
  })

  it('shows every state a function goes through', async () => {
    const { deploy, states, request, clock, host, metrics } = hostSetup({ idleTtl: '1s' })
    const stage = new Stage()
    const loading = Promise.withResolvers<void>()
    const unloading = Promise.withResolvers<void>()
    stage.loading = () => loading.promise
    stage.unloading = () => unloading.promise
    await deploy(functionOf(stage))
    const seen = [(await states())['f v1']]
    const look = async () => {
      seen.push((await states())['f v1'])
      expect(Buffer.concat((await metrics.render()).body).toString()).toContain(
        `fezz_functions{state="${seen.at(-1)}"} 1`,
      )
    }
    request('/f')
    await look()
    loading.resolve()
    await clock.advance(3_000)
    await look()
    stage.last.answer(FezzResponse.text(''))
    await clock.advance(1_100)
    await look()
    unloading.resolve()
    await clock.advance(0)
    await look()
    expect(seen).toEqual(['Unloaded', 'Loading', 'Ready', 'Unloading', 'Unloaded'])
    expect(host.inFlight).toBe(0)
  })

  it('has no secrets', async () => {
    const { fetch, deploy, text } = hostSetup({ env: { TOKEN: 'secret-1' } })
    await deploy(functionOf(() => FezzResponse.text(''), { env: { KEY: 'secret-2' } }))
    await text('/f')
    for (const init of [{}, JSON_FORM]) {
      expect(await (await fetch('/_metrics', init)).text()).not.toContain('secret')
    }
  })
})

it.each([
  ['/_health', { enableHealth: false }],
  ['/_metrics', { enableMetrics: false }],
])('%s is 404 when it is switched off, and free for functions', async (path, config) => {
  const bare = hostSetup(config)
  expect((await bare.fetch(path)).status).toBe(404)
  const { text } = await withCatchAll(config)
  expect(await text(path)).toBe('function GET')
})

it('answers system paths beyond maxInFlight', async () => {
  const { deploy, request, fetch, clock } = hostSetup({ maxInFlight: 1 })
  await deploy(functionOf(new Stage()))
  request('/f')
  await clock.advance(0)
  expect((await fetch('/f')).status).toBe(503)
  expect((await fetch('/_health')).status).toBe(200)
  expect((await fetch('/_metrics')).status).toBe(200)
})
