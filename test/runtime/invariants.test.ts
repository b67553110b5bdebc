import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { FezzError } from '../../src/errors.ts'
import { FezzResponse } from '../../src/http/web/fezz-response.ts'
import { settled } from '../helpers/fake-clock.ts'
import { createLoader, createProject } from '../loader/project.ts'
import { AT_REST, functionOf, hostSetup, openStream, Stage } from './host-setup.ts'

const ok = () => FezzResponse.text('ok')

it("1: routing never needs code: a function's code is first evaluated by its first request, unless preload is set", async () => {
  const evaluated: string[] = []
  Reflect.set(globalThis, 'fezzEvaluated', evaluated)
  const source = (name: string, manifest: string) => `
    globalThis.fezzEvaluated?.push('${name}')
    export const manifest = ${manifest}
    export default { fetch: () => new Response('${name}') }`
  const folder = await createProject({
    'lazy.ts': source('lazy', `{ path: '/lazy/:id', method: 'GET' }`),
    'eager.ts': source('eager', '{ preload: true }'),
  })
  const { functions, errors } = await createLoader(folder).load([folder])
  expect(errors).toEqual([])
  const { host, fetch, text, states } = hostSetup()
  await host.deploy({ set: functions.map(each => ({ ...each, env: {} })) })
  expect(evaluated).toEqual(['eager'])

  expect((await fetch('/nowhere')).status).toBe(404)
  expect((await fetch('/lazy/1', { method: 'POST' })).headers.get('allow')).toBe('GET, HEAD')
  expect(await states()).toEqual({ 'eager v1': 'Ready', 'lazy v1': 'Unloaded' })
  expect(evaluated).toEqual(['eager'])

  expect(await text('/lazy/1')).toBe('lazy')
  expect(await text('/lazy/2')).toBe('lazy')
  expect(evaluated).toEqual(['eager', 'lazy'])
  Reflect.deleteProperty(globalThis, 'fezzEvaluated')
})

it('2: one load at a time; all who wait share its outcome; a failed load backs off and is retried, never per request', async () => {
  const { deploy, request, clock } = hostSetup()
  const stage = new Stage()
  let gate = Promise.withResolvers<void>()
  stage.loading = () => gate.promise
  await deploy(functionOf(stage))
  const burst = () => Array.from({ length: 50 }, () => request('/f'))

  const first = burst()
  await clock.advance(10)
  expect(stage.events).toEqual(['load'])
  gate.reject(new Error('not yet'))
  await clock.advance(0)
  expect(new Set(first.map(each => each.value?.status))).toEqual(new Set([503]))

  // The first retry is due 50 to 100 ms later, whatever comes meanwhile.
  for (let ms = 0; ms < 49; ms += 7) {
    burst()
    await clock.advance(7)
    expect(stage.events).toEqual(['load'])
  }
  await clock.advance(100)
  gate = Promise.withResolvers()
  const second = burst()
  await clock.advance(0)
  expect(stage.events).toEqual(['load', 'load'])
  gate.resolve()
  await clock.advance(0)
  for (const call of stage.calls) call.answer(ok())
  await clock.advance(0)
  expect(second.map(each => each.value?.status)).toEqual(Array(50).fill(200))
  expect([stage.loads, stage.unloads]).toEqual([1, 0])
})

it('3: an instance in use is never unloaded; onUnload runs exactly once for each successful onLoad', async () => {
  const { deploy, host, request, clock, text, slot, counters } = hostSetup({
    idleTtl: '1s',
    maxLoaded: 1,
  })
  const stage = new Stage()
  await deploy(functionOf(stage), functionOf(ok, { id: 'other' }))
  const used = slot()
  // Everything that unloads, while the function runs, streams, and waits for its background work.
  const press = async () => {
    await clock.advance(10_000)
    await text('/other')
    await host.unloadUnused()
    await clock.advance(0)
    expect([stage.loads, stage.unloads]).toEqual([1, 0])
  }
  const watched = request('/f')
  await clock.advance(0)
  await press()
  const stream = openStream()
  const background = Promise.withResolvers<void>()
  stage.last.context.waitUntil(background.promise)
  stage.last.answer(new Response(stream.body))
  await press()
  stream.end()
  await watched.value?.text()
  await press()
  void host.deploy({ remove: ['f'] })
  void host.close()
  await clock.advance(100)
  expect(stage.unloads).toBe(0)
  background.resolve()
  await host.close()
  expect([stage.loads, stage.unloads]).toEqual([1, 1])
  expect(counters(used)).toEqual(AT_REST)
})

it('4: a new version loads beside the old one, then takes over whole; the old one drains; no request is lost, none sees half of each', async () => {
  const { host, fetch, request, clock } = hostSetup()
  const events: string[] = []
  const pair = (version: string) =>
    ['a', 'b'].map(id =>
      functionOf(
        {
          onLoad: () => void events.push(`load ${id} ${version}`),
          fetch: () => Promise.resolve().then(() => FezzResponse.text(version)),
          onUnload: () => void events.push(`unload ${id} ${version}`),
        },
        { id, version, path: `/${id}/${version}`, routes: [`/${id}`], preload: true },
      ),
    )
  await host.deploy({ set: pair('v1') })
  const stage = new Stage()
  await host.deploy({ set: [functionOf(stage)] })
  const slow = request('/f')
  await clock.advance(0)

  const seen = new Set<string>()
  for (const version of ['v2', 'v3', 'v4', 'v5']) {
    const deployed = host.deploy({ set: pair(version) })
    let done = false
    void deployed.then(() => {
      done = true
    })
    while (!done) {
      // All of one moment: code and routes of both must be of one version.
      const versions = ['v1', 'v2', 'v3', 'v4', 'v5']
      const paths = ['/a', '/b', ...versions.flatMap(v => [`/a/${v}`, `/b/${v}`])]
      const responses = await Promise.all(paths.map(path => fetch(path)))
      const bodies = await Promise.all(
        responses.map(async each => (each.status === 200 ? each.text() : `${each.status}`)),
      )
      seen.add([...new Set(bodies)].sort().join(' '))
      expect(bodies.filter(body => body.startsWith('v'))).toHaveLength(4)
      await settled()
    }
    expect(await deployed).toEqual([])
  }
  expect([...seen].filter(each => !/^404 v\d$/.test(each))).toEqual([])
  stage.last.answer(ok())
  await clock.advance(0)
  expect(slow.value?.status).toBe(200)
  await host.close()
  for (const loaded of events.filter(event => event.startsWith('load'))) {
    expect(events.filter(event => event === `un${loaded}`)).toHaveLength(1)
  }
  expect(events).toHaveLength(20)
  // Beside: the new one has loaded before the old one goes.
  expect(events.indexOf('load a v2')).toBeLessThan(events.indexOf('unload a v1'))
})

it('5: a request sees one route table', async () => {
  const { host, fetch, metrics } = hostSetup()
  const generation = (n: number) =>
    Array.from({ length: 500 }, (_, i) =>
      functionOf(() => FezzResponse.text(String(n)), {
        id: `f${i}`,
        version: `v${n}`,
        path: `/g${n}/${i}/:x/*`,
      }),
    )
  await host.deploy({ set: generation(0) })
  for (const n of [1, 2, 3]) {
    let done = false
    const deployed = host.deploy({ set: generation(n) }).then(() => {
      done = true
    })
    while (!done) {
      const asked = [n - 1, n].flatMap(g => [0, 250, 499].map(i => fetch(`/g${g}/${i}/x/y`)))
      const answers = await Promise.all(asked.map(async each => (await each).status))
      expect([
        [200, 200, 200, 404, 404, 404],
        [404, 404, 404, 200, 200, 200],
      ]).toContainEqual(answers)
      await settled()
    }
    await deployed
  }
  expect(Buffer.concat((await metrics.render()).body).toString()).toContain('fezz_routes 500')
})

it('7: what leaves the host on an error is a code, a short message and a request id; the cause goes to the log only', async () => {
  const secret = () => new Error('secret', { cause: new Error('secret of the secret') })
  const failing: Record<string, unknown> = {
    throws: () => {
      throw secret()
    },
    rejects: () => Promise.reject(secret()),
    refuses: () => {
      throw new FezzError('BAD_REQUEST', 'no such page', { cause: secret() })
    },
    unloadable: {
      onLoad: () => Promise.reject(secret()),
      fetch: ok,
    },
    streams: () =>
      new Response(
        new ReadableStream({
          pull() {
            throw secret()
          },
        }),
      ),
    nothing: () => undefined,
    slow: () => new Promise(() => {}),
  }
  const { deploy, request, clock, lines } = hostSetup()
  await deploy(
    ...Object.entries(failing).map(([id, value]) => functionOf(value, { id, timeout: '1s' })),
  )
  const paths = [...Object.keys(failing).filter(id => id !== 'streams'), 'missing']
  const watched = paths.map(id => request(`/${id}`, { headers: { 'x-request-id': `r-${id}` } }))
  await clock.advance(1_000)
  for (const [index, id] of paths.entries()) {
    const response = watched[index]?.value as Response
    const problem = await response.text()
    expect(problem).not.toContain('secret')
    expect(JSON.stringify([...response.headers])).not.toContain('secret')
    expect(JSON.parse(problem)).toEqual({
      type: 'about:blank',
      title: expect.any(String),
      status: response.status,
      code: expect.stringMatching(/^[A-Z_]+$/),
      detail: expect.any(String),
      requestId: `r-${id}`,
    })
    expect(response.headers.get('x-request-id')).toBe(`r-${id}`)
  }
  for (const id of ['throws', 'rejects', 'unloadable']) {
    const line = lines.find(each => each.functionId === id && each.level === 'error')
    expect(JSON.stringify(line)).toContain('secret of the secret')
  }
})

/** Runs host-process.ts, which ends by itself or is given up. */
async function runProcess(rounds: number) {
  const folder = await createProject({
    'function.ts': `
      let loads = 0
      const memory = Array.from({ length: 20_000 }, (_, i) => ({ i }))
      export default {
        onLoad() { loads++ },
        fetch: () => new Response(memory.length && 'loaded ' + loads),
        onUnload() {},
      }`,
  })
  const script = join(import.meta.dirname, 'host-process.ts')
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--expose-gc', script, folder, String(rounds)],
    { timeout: 50_000 },
  )
  return JSON.parse(stdout) as { answered: number; growthBytes: number; body: string }
}

it('8: after an unload the memory is free: 1,000 load-unload rounds leave the heap where it was', {
  timeout: 60_000,
}, async () => {
  const { answered, growthBytes } = await runProcess(1_000)
  expect(answered).toBe(1_000)
  // One instance that stays is about a megabyte; a thousand could not hide.
  expect(growthBytes).toBeLessThan(2 * 2 ** 20)
})

it('9: overload is answered at once (429 or 503 with Retry-After), not by growing queues', async () => {
  const { deploy, request, clock, host, slot, counters } = hostSetup({
    maxInFlight: 8,
    maxQueue: 2,
    queueTimeout: '1s',
  })
  const narrow = new Stage()
  const wide = new Stage()
  await deploy(functionOf(narrow, { maxConcurrency: 2 }), functionOf(wide, { id: 'wide' }))
  await slot().warm()
  const crowd = Array.from({ length: 100 }, () => request('/f'))
  await clock.advance(0)
  // Two run, two wait; all others have their answer, and no time has passed.
  expect(narrow.calls).toHaveLength(2)
  expect(host.inFlight).toBe(4)
  const refused = crowd.filter(each => each.state === 'fulfilled')
  expect(refused).toHaveLength(96)
  for (const { value } of refused) {
    expect([429, 503]).toContain(value?.status)
    expect(Number(value?.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
  }

  const more = Array.from({ length: 100 }, () => request('/wide'))
  await clock.advance(0)
  // The eighth place is for a function that has none: above 80 % nobody gets more than its share.
  expect(host.inFlight).toBe(7)
  expect(more.filter(each => each.value?.status === 503)).toHaveLength(97)
  for (const call of [...narrow.calls, ...wide.calls]) call.answer(ok())
  await clock.advance(0)
  for (const call of narrow.calls) call.answer(ok())
  await clock.advance(0)
  expect([...crowd, ...more].filter(each => each.value?.status === 200)).toHaveLength(7)
  expect(counters(slot())).toEqual(AT_REST)
})

it('10: every open thing has one idempotent close; closing the host closes all, and the process then ends by itself', async () => {
  const stage = new Stage()
  const { host, deploy, request, clock } = hostSetup()
  await deploy(functionOf(stage, { preload: true }), functionOf(ok, { id: 'g', preload: true }))
  const running = request('/f')
  await clock.advance(0)
  const closings = [host.close(), host.close(), host[Symbol.asyncDispose]()]
  stage.last.answer(ok())
  await Promise.all(closings)
  await host.close()
  expect(running.value?.status).toBe(200)
  expect(stage.events).toEqual(['load', 'unload'])

  const { body } = await runProcess(1)
  expect(body).toBe('loaded 1')
})
