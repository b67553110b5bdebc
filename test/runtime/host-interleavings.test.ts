import { describe, expect, it } from 'vitest'
import type { ManifestInput } from '../../src/function/manifest.ts'
import { FezzResponse } from '../../src/http/web/fezz-response.ts'
import type { ConfigInput } from '../../src/runtime/config.ts'
import type { Watched } from '../helpers/watch.ts'
import { AT_REST, functionOf, hostSetup, openStream, Stage } from './host-setup.ts'

const TIMEOUT_MS = 5_000

async function setup(manifest: Partial<ManifestInput> = {}, config: ConfigInput = {}) {
  const host = hostSetup(config)
  const stage = new Stage()
  await host.deploy(functionOf(stage, { timeout: '5s', ...manifest }))
  const slot = host.slot()
  return {
    ...host,
    stage,
    slot,
    /** Lets everything run that waits for nothing. */
    settle: () => host.clock.advance(0),
    atRest: () => expect(host.counters(slot)).toEqual(AT_REST),
    /** The function, loaded. */
    async loaded() {
      await slot.warm()
      await host.clock.advance(0)
    },
    /** A load that waits for what is returned. */
    slowLoad() {
      const gate = Promise.withResolvers<void>()
      stage.loading = () => gate.promise
      return gate
    },
    slowUnload() {
      const gate = Promise.withResolvers<void>()
      stage.unloading = () => gate.promise
      return gate
    },
  }
}

const ok = (body = 'ok') => FezzResponse.text(body)

/** The code of the problem that a request was answered with, or its status. */
async function outcome(watched: Watched<Response>): Promise<string> {
  if (watched.state !== 'fulfilled') return watched.state
  const response = watched.value as Response
  if (response.headers.get('content-type') !== 'application/problem+json') {
    return `${response.status} ${await response.text()}`
  }
  const problem = (await response.json()) as { code: string; requestId: string }
  expect(problem.requestId).toBe(response.headers.get('x-request-id'))
  return `${response.status} ${problem.code}`
}

describe('a request during a load', () => {
  it('waits for it with all the others', async () => {
    const { stage, slowLoad, request, settle, states, host, atRest } = await setup()
    const gate = slowLoad()
    const requests = Array.from({ length: 200 }, () => request('/f'))
    await settle()
    expect(stage.events).toEqual(['load'])
    expect(await states()).toEqual({ 'f v1': 'Loading' })
    expect(host.inFlight).toBe(200)
    gate.resolve()
    await settle()
    expect(stage.calls).toHaveLength(200)
    for (const call of stage.calls) call.answer(ok())
    await settle()
    expect(requests.map(each => each.value?.status)).toEqual(Array(200).fill(200))
    expect(stage.loads).toBe(1)
    atRest()
  })

  it('that fails gets 503 with Retry-After, with all the others', async () => {
    const { stage, slowLoad, request, settle, atRest, lines } = await setup()
    const gate = slowLoad()
    const requests = [request('/f'), request('/f')]
    await settle()
    gate.reject(new Error('secret'))
    await settle()
    for (const each of requests) {
      expect(Number(each.value?.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
      expect(await outcome(each)).toBe('503 FUNCTION_LOAD_FAILED')
    }
    expect(stage.unloads).toBe(0)
    expect(JSON.stringify(lines)).toContain('secret')
    atRest()
  })

  it('gets 504 at its deadline; the load goes on for the next', async () => {
    const { stage, slowLoad, request, clock, settle, text, atRest, states } = await setup()
    const gate = slowLoad()
    const late = request('/f')
    await clock.advance(TIMEOUT_MS - 1)
    expect(late.state).toBe('waiting')
    await clock.advance(1)
    expect(await outcome(late)).toBe('504 FUNCTION_TIMEOUT')
    expect(await states()).toEqual({ 'f v1': 'Loading' })

    gate.resolve()
    await settle()
    expect(stage.calls).toEqual([])
    atRest()
    const next = text('/f')
    await settle()
    stage.last.answer(ok('next'))
    expect(await next).toBe('next')
    expect(stage.loads).toBe(1)
    atRest()
  })

  it('has its deadline counted from its arrival, not from the end of the load', async () => {
    const { stage, slowLoad, request, clock } = await setup()
    const gate = slowLoad()
    const slow = request('/f')
    await clock.advance(3_000)
    gate.resolve()
    await clock.advance(1_999)
    expect(stage.calls).toHaveLength(1)
    expect(slow.state).toBe('waiting')
    await clock.advance(1)
    expect(await outcome(slow)).toBe('504 FUNCTION_TIMEOUT')
  })

  it('whose client leaves finds its signal aborted, and the load serves the others', async () => {
    const { stage, slowLoad, request, settle, atRest } = await setup()
    const gate = slowLoad()
    const client = new AbortController()
    request('/f', { signal: client.signal })
    const other = request('/f')
    await settle()
    client.abort()
    gate.resolve()
    await settle()
    const signals = stage.calls.map(call => call.context.signal.aborted)
    expect(signals.at(-1)).toBe(false)
    expect(signals.slice(0, -1)).not.toContain(false)
    for (const call of stage.calls) call.answer(ok())
    await settle()
    expect(await outcome(other)).toBe('200 ok')
    expect(stage.loads).toBe(1)
    atRest()
  })

  it('of a removed function is still served, and then that is unloaded', async () => {
    const { stage, slowLoad, request, settle, host, atRest } = await setup()
    const gate = slowLoad()
    const early = request('/f')
    await settle()
    await host.deploy({ remove: ['f'] })
    gate.resolve()
    await settle()
    stage.last.answer(ok())
    await settle()
    expect(await outcome(early)).toBe('200 ok')
    expect(stage.events).toEqual(['load', 'unload'])
    atRest()
  })

  it('that the host closes in is still served', async () => {
    const { stage, slowLoad, request, settle, host, atRest } = await setup()
    const gate = slowLoad()
    const early = request('/f')
    await settle()
    const closed = host.close()
    const late = request('/f')
    gate.resolve()
    await settle()
    for (const call of stage.calls) call.answer(ok())
    await settle()
    await closed
    expect(await outcome(early)).toBe('200 ok')
    expect(['200 ok', '503 DRAINING']).toContain(await outcome(late))
    expect(stage.events).toEqual(['load', 'unload'])
    atRest()
  })
})

describe('a request during an unload', () => {
  it('waits for its end, then loads anew: two instances never overlap', async () => {
    const { stage, loaded, slowUnload, request, settle, host, states, atRest } = await setup()
    await loaded()
    const gate = slowUnload()
    const unloaded = host.unloadUnused()
    await settle()
    expect(await states()).toEqual({ 'f v1': 'Unloading' })
    const early = request('/f')
    await settle()
    expect(stage.events).toEqual(['load', 'unload'])
    gate.resolve()
    await unloaded
    await settle()
    expect(stage.events).toEqual(['load', 'unload', 'load'])
    stage.last.answer(ok())
    await settle()
    expect(await outcome(early)).toBe('200 ok')
    atRest()
  })

  it('gets 504 at its deadline when onUnload hangs', async () => {
    const { loaded, slowUnload, request, clock, host, atRest } = await setup({ timeout: '1s' })
    await loaded()
    slowUnload()
    const unloaded = host.unloadUnused()
    const stuck = request('/f')
    await clock.advance(1_000)
    expect(await outcome(stuck)).toBe('504 FUNCTION_TIMEOUT')
    await clock.advance(9_000)
    await unloaded
    atRest()
  })

  it('is served although onUnload threw, which the log has', async () => {
    const { stage, loaded, request, settle, host, lines } = await setup()
    await loaded()
    stage.unloading = () => Promise.reject(new Error('half closed'))
    await host.unloadUnused()
    expect(lines.at(-1)).toMatchObject({ level: 'error', err: { message: 'half closed' } })
    const next = request('/f')
    await settle()
    stage.last.answer(ok())
    await settle()
    expect(await outcome(next)).toBe('200 ok')
  })
})

describe('an instance that dies', () => {
  it('answers its requests with 502 and the next one from a new instance', async () => {
    const { stage, loaded, executor, request, settle, atRest, metrics } = await setup()
    await loaded()
    const requests = [request('/f'), request('/f')]
    await settle()
    await executor.last.die()
    for (const each of requests) expect(await outcome(each)).toBe('502 INSTANCE_EXITED')
    atRest()
    expect(metrics.forFunction('f').unloads('crash')).toBe(1)

    const next = request('/f')
    await settle()
    expect(executor.instances).toHaveLength(2)
    stage.last.answer(ok())
    await settle()
    expect(await outcome(next)).toBe('200 ok')
    expect(executor.instances.map(each => each.unloads)).toEqual([0, 0])
    atRest()
  })

  it('and again at once is held back, and its requests are told when to come again', async () => {
    const { loaded, executor, request, settle, clock, atRest } = await setup()
    await loaded()
    await executor.last.die()
    request('/f')
    await settle()
    await executor.last.die()
    const early = request('/f')
    await settle()
    expect(early.value?.headers.get('retry-after')).toBe('1')
    expect(await outcome(early)).toBe('503 FUNCTION_LOAD_FAILED')
    atRest()
    await clock.advance(1_000)
    request('/f')
    await settle()
    expect(executor.instances).toHaveLength(3)
  })

  it('does not strand those who queue for a place in it', async () => {
    const { stage, executor, request, settle, atRest } = await setup({ maxConcurrency: 1 })
    const first = request('/f')
    await settle()
    const queued = request('/f')
    await settle()
    await executor.last.die()
    await settle()
    expect(await outcome(first)).toBe('502 INSTANCE_EXITED')
    if (queued.state === 'waiting') stage.last.answer(ok())
    await settle()
    expect(['200 ok', '503 FUNCTION_LOAD_FAILED']).toContain(await outcome(queued))
    atRest()
  })

  it('while it is replaced leaves nothing waiting', async () => {
    const { stage, executor, deploy, request, settle, atRest, states } = await setup()
    const old = request('/f')
    await settle()
    await deploy(functionOf(new Stage(), { version: 'v2' }))
    await executor.instances[0]?.die()
    await settle()
    expect(await outcome(old)).toBe('502 INSTANCE_EXITED')
    expect(stage.unloads).toBe(0)
    expect(await states()).toEqual({ 'f v2': 'Ready' })
    atRest()
  })
})

describe('a function that is too slow', () => {
  it('gets its signal aborted, and the client 504', async () => {
    const { stage, loaded, request, settle, clock, atRest, metrics } = await setup()
    await loaded()
    const slow = request('/f')
    await settle()
    const { signal } = stage.last.context
    await clock.advance(TIMEOUT_MS - 1)
    expect(signal.aborted).toBe(false)
    await clock.advance(1)
    expect(signal.aborted).toBe(true)
    expect(signal.reason).toMatchObject({ name: 'TimeoutError' })
    expect(stage.last.request.signal.aborted).toBe(true)
    expect(await outcome(slow)).toBe('504 FUNCTION_TIMEOUT')
    expect(metrics.forFunction('f').errors.get('FUNCTION_TIMEOUT')).toBe(1)
    atRest()
  })

  it('finds the signal aborted also when it looks too late', async () => {
    const { stage, loaded, request, clock } = await setup()
    await loaded()
    request('/f')
    await clock.advance(TIMEOUT_MS)
    expect(stage.last.context.signal.aborted).toBe(true)
    expect(stage.last.context.signal.reason).toMatchObject({ name: 'TimeoutError' })
  })

  it('has a late answer thrown away, its stream cancelled', async () => {
    const { stage, loaded, request, settle, clock, atRest, metrics } = await setup()
    await loaded()
    const slow = request('/f')
    await clock.advance(TIMEOUT_MS)
    const stream = openStream()
    stage.last.answer(new Response(stream.body))
    await settle()
    expect(stream.cancelled).toBe(true)
    expect(await outcome(slow)).toBe('504 FUNCTION_TIMEOUT')
    expect(metrics.forFunction('f').requestDuration.count).toBe(1)
    atRest()
  })

  it.each<[string, () => unknown]>([
    ['a rejection', () => Promise.reject(new Error('late'))],
    ['nothing', () => undefined],
    ['text', () => ok()],
    [
      'a locked stream',
      () => {
        const response = new Response(openStream().body)
        response.body?.getReader()
        return response
      },
    ],
    ['a network error', () => Response.error()],
  ])('may come late with %s', async (_, answer) => {
    const { stage, loaded, request, settle, clock, atRest } = await setup()
    await loaded()
    const slow = request('/f')
    await clock.advance(TIMEOUT_MS)
    stage.last.answer(answer())
    await settle()
    expect(await outcome(slow)).toBe('504 FUNCTION_TIMEOUT')
    atRest()
  })

  it('may still stream for as long as it likes once it has answered', async () => {
    const { stage, loaded, request, settle, clock, atRest } = await setup()
    await loaded()
    const stream = openStream()
    const streamed = request('/f')
    await settle()
    stage.last.answer(new Response(stream.body))
    await clock.advance(10 * TIMEOUT_MS)
    expect(stage.last.context.signal.aborted).toBe(false)
    stream.send('late')
    stream.end()
    expect(await outcome(streamed)).toBe('200 late')
    atRest()
  })
})

describe('a function with maxConcurrency', () => {
  const limited = async (config: ConfigInput = {}, timeout = '5s') => {
    const all = await setup({ maxConcurrency: 1, timeout }, config)
    await all.loaded()
    const running = all.request('/f')
    await all.settle()
    return { ...all, running }
  }

  it('lets a request wait for a place', async () => {
    const { stage, running, request, settle, slot, atRest } = await limited()
    const waiting = request('/f')
    await settle()
    expect([stage.calls.length, slot.active]).toEqual([1, 1])
    stage.last.answer(ok('first'))
    await settle()
    expect([stage.calls.length, slot.active]).toEqual([2, 1])
    stage.last.answer(ok('second'))
    await settle()
    expect(await outcome(running)).toBe('200 first')
    expect(await outcome(waiting)).toBe('200 second')
    atRest()
  })

  it('answers 429 with Retry-After when none came free in time, or too many wait', async () => {
    const { stage, request, settle, clock, atRest } = await limited({
      queueTimeout: '200ms',
      maxQueue: 1,
    })
    const waiting = request('/f')
    const refused = request('/f')
    await settle()
    expect(refused.value?.headers.get('retry-after')).toBe('1')
    expect(await outcome(refused)).toBe('429 TOO_MANY_REQUESTS')
    await clock.advance(200)
    expect(await outcome(waiting)).toBe('429 TOO_MANY_REQUESTS')
    stage.last.answer(ok())
    await settle()
    atRest()
  })

  it('answers 504 to who waits past the deadline, and gives the place to the next', async () => {
    const { stage, running, request, settle, clock, atRest } = await limited(
      { queueTimeout: '60s' },
      '1s',
    )
    await clock.advance(500)
    const waiting = request('/f')
    await clock.advance(500)
    expect(await outcome(running)).toBe('504 FUNCTION_TIMEOUT')
    expect(stage.calls).toHaveLength(2)
    const behind = request('/f')
    await clock.advance(500)
    expect(await outcome(waiting)).toBe('504 FUNCTION_TIMEOUT')
    await settle()
    expect(stage.calls).toHaveLength(3)
    stage.last.answer(ok())
    await settle()
    expect(await outcome(behind)).toBe('200 ok')
    atRest()
  })

  it('passes over a request whose deadline came while it queued', async () => {
    const { stage, settle, request, clock, atRest, running } = await limited(
      { queueTimeout: '60s' },
      '1s',
    )
    const stream = openStream()
    stage.last.answer(new Response(stream.body))
    await settle()
    const waiting = request('/f')
    await clock.advance(1_000)
    expect(await outcome(waiting)).toBe('504 FUNCTION_TIMEOUT')
    const behind = request('/f')
    stream.end()
    expect(await outcome(running)).toBe('200 ')
    await settle()
    expect(stage.calls).toHaveLength(2)
    stage.last.answer(ok())
    await settle()
    expect(await outcome(behind)).toBe('200 ok')
    atRest()
  })

  it('frees the place when the stream of its answer has ended', async () => {
    const { stage, running, request, settle, slot, atRest } = await limited()
    const stream = openStream()
    stage.last.answer(new Response(stream.body))
    await settle()
    const waiting = request('/f')
    await settle()
    expect([stage.calls.length, slot.active]).toEqual([1, 1])
    await running.value?.body?.cancel()
    await settle()
    expect(stage.calls).toHaveLength(2)
    stage.last.answer(ok())
    await settle()
    expect(await outcome(waiting)).toBe('200 ok')
    atRest()
  })
})

describe('a streaming answer keeps the instance in use', () => {
  const streaming = async () => {
    const all = await setup()
    await all.loaded()
    const stream = openStream()
    const watched = all.request('/f')
    await all.settle()
    all.stage.last.answer(new Response(stream.body))
    await all.settle()
    await all.host.unloadUnused()
    expect(all.stage.unloads).toBe(0)
    expect(all.counters(all.slot)).toEqual({ host: 1, metrics: 1, places: 1, inUse: true })
    const over = async () => {
      all.atRest()
      await all.host.unloadUnused()
      expect(all.stage.unloads).toBe(1)
    }
    return { ...all, stream, response: watched.value as Response, over }
  }

  it('until it was read', async () => {
    const { stream, response, over } = await streaming()
    stream.send('x')
    stream.end()
    expect(await response.text()).toBe('x')
    await over()
  })

  it('until it was cancelled, which its source hears', async () => {
    const { stream, response, over } = await streaming()
    await response.body?.cancel()
    expect(stream.cancelled).toBe(true)
    await over()
  })

  it('until it has failed', async () => {
    const { stream, response, over } = await streaming()
    stream.fail(new Error('torn'))
    await expect(response.text()).rejects.toThrow('torn')
    await over()
  })

  it('past idleTtl, which counts from its end', async () => {
    const { stream, response, clock, stage } = await streaming()
    await clock.advance(600_000)
    expect(stage.unloads).toBe(0)
    stream.end()
    await response.text()
    await clock.advance(299_000)
    expect(stage.unloads).toBe(0)
    await clock.advance(2_000)
    expect(stage.unloads).toBe(1)
  })
})

describe('waitUntil', () => {
  const waiting = async (promise: PromiseLike<unknown>) => {
    const all = await setup()
    await all.loaded()
    const watched = all.request('/f')
    await all.settle()
    all.stage.last.context.waitUntil(promise)
    all.stage.last.answer(ok())
    await all.settle()
    expect(await outcome(watched)).toBe('200 ok')
    return all
  }

  it('keeps the instance in use, but no request in flight', async () => {
    const gate = Promise.withResolvers<void>()
    const { host, stage, slot, counters, settle, atRest } = await waiting(gate.promise)
    expect(counters(slot)).toEqual({ ...AT_REST, inUse: true })
    await host.unloadUnused()
    expect(stage.unloads).toBe(0)
    gate.resolve()
    await settle()
    atRest()
    await host.unloadUnused()
    expect(stage.unloads).toBe(1)
  })

  it('no longer than the timeout of the function, and that is logged', async () => {
    const { clock, slot, lines, atRest, stage, host } = await waiting(new Promise(() => {}))
    await clock.advance(TIMEOUT_MS - 1)
    expect(slot.inUse).toBe(true)
    await clock.advance(1)
    atRest()
    expect(lines.at(-1)).toMatchObject({ level: 'warn', functionId: 'f' })
    await host.unloadUnused()
    expect(stage.unloads).toBe(1)
  })

  it('ends once, though it settles after that', async () => {
    const gate = Promise.withResolvers<void>()
    const { clock, settle, atRest, request, stage, slot } = await waiting(gate.promise)
    await clock.advance(TIMEOUT_MS)
    request('/f')
    await settle()
    gate.resolve()
    await settle()
    expect(slot.inUse).toBe(true)
    stage.last.answer(ok())
    await settle()
    atRest()
  })

  it('takes a rejection for an end, and logs it', async () => {
    const gate = Promise.withResolvers<void>()
    const { lines, settle, atRest } = await waiting(gate.promise)
    gate.reject(new Error('background'))
    await settle()
    expect(lines.at(-1)).toMatchObject({ level: 'error', err: { message: 'background' } })
    atRest()
  })

  it.each([
    ['a plain value', 1],
    ['nothing', undefined],
  ])('takes %s too', async (_, value) => {
    const { atRest } = await waiting(value as never)
    atRest()
  })

  it('leaves no timer behind', async () => {
    const { clock, host, settle } = await waiting(Promise.resolve())
    await clock.advance(TIMEOUT_MS)
    await host.close()
    await settle()
    expect(clock.pending).toBe(0)
  })

  it('called after the function was unloaded does no harm', async () => {
    const { stage, host, settle, atRest } = await waiting(Promise.resolve())
    const old = stage.last.context
    await host.deploy({ remove: ['f'] })
    await settle()
    expect(stage.unloads).toBe(1)
    old.waitUntil(Promise.resolve())
    await settle()
    atRest()
    expect(stage.events).toEqual(['load', 'unload'])
  })
})

describe('closing', () => {
  it('waits for requests in flight and refuses later ones', async () => {
    const { stage, loaded, request, settle, host, atRest } = await setup()
    await loaded()
    const running = request('/f')
    await settle()
    let closed = false
    const closing = host.close().then(() => {
      closed = true
    })
    await settle()
    expect(closed).toBe(false)
    expect(stage.unloads).toBe(0)
    stage.last.answer(ok())
    await closing
    await settle()
    expect(await outcome(running)).toBe('200 ok')
    expect(stage.events).toEqual(['load', 'unload'])
    const late = request('/f')
    await settle()
    expect(await outcome(late)).toBe('503 DRAINING')
    expect(stage.events).toEqual(['load', 'unload'])
    atRest()
  })

  it('can be made to unload what is in use, and late answers still go out', async () => {
    const { stage, loaded, request, settle, host, atRest } = await setup()
    await loaded()
    const running = request('/f')
    await settle()
    const closing = host.close()
    await settle()
    expect(stage.unloads).toBe(0)
    host.expel()
    await closing
    expect(stage.unloads).toBe(1)
    stage.last.answer(ok())
    await settle()
    expect(await outcome(running)).toBe('200 ok')
    atRest()
  })

  it('takes along what is being deployed', async () => {
    const { stage, loaded, settle, host, deploy } = await setup()
    await loaded()
    const v2 = new Stage()
    const gate = Promise.withResolvers<void>()
    v2.loading = () => gate.promise
    const deployed = deploy(functionOf(v2, { version: 'v2' }))
    await settle()
    const closing = host.close()
    gate.resolve()
    await deployed
    await closing
    expect([v2.loads, v2.unloads]).toEqual([1, 1])
    expect(stage.unloads).toBe(1)
  })

  it('does not cut a request to what was being deployed when it began', async () => {
    const { stage, loaded, settle, host, deploy, request, clock } = await setup()
    await loaded()
    const old = request('/f')
    const v2 = new Stage()
    const loading = Promise.withResolvers<void>()
    const unloading = Promise.withResolvers<void>()
    v2.loading = () => loading.promise
    v2.unloading = () => unloading.promise
    const deployed = deploy(functionOf(v2, { version: 'v2' }))
    await settle()
    const closing = host.close()
    loading.resolve()
    await deployed
    const late = request('/f')
    unloading.resolve()
    await settle()
    stage.last.answer(ok())
    await settle()
    expect(await outcome(old)).toBe('200 ok')
    if (late.state === 'waiting') {
      expect(v2.loads - v2.unloads).toBe(1)
      v2.last.answer(ok())
      await settle()
    }
    await clock.advance(1_000)
    await closing
    expect(['200 ok', '503 DRAINING']).toContain(await outcome(late))
    expect(v2.loads).toBe(v2.unloads)
  })
})
