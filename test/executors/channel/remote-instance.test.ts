import { describe, expect, it } from 'vitest'
import { toSentError } from '../../../src/executors/channel/sent-error.ts'
import type { FunctionContext } from '../../../src/function/contract.ts'
import { abortRequest, toIncoming } from '../../../src/http/web/incoming-request.ts'
import { context, loaded, setup, unloadOf } from './scripted-runner.ts'

const timeout = () => new DOMException('too late', 'TimeoutError')
const gone = { code: 'INSTANCE_EXITED' }

describe('RemoteInstance', () => {
  it('tells what it loads, and the levels that the log writes', async () => {
    const { runner, deployment } = await loaded()
    await runner.hears('load')
    expect(runner.heard).toEqual([
      { type: 'load', ...deployment, logLevels: ['error', 'warn', 'info'] },
    ])
  })

  it('ends a runner that does not load in time', async () => {
    const { clock, runner, loading } = setup()
    await clock.advance(30_000)
    await expect(loading).rejects.toMatchObject({ code: 'FUNCTION_TIMEOUT' })
    expect(runner.kills).toBe(1)
  })

  it('fails to load when the runner dies first, with the cause', async () => {
    const { runner, loading } = setup()
    const cause = new Error('segmentation fault')
    runner.die({ reason: 'crash', cause })
    await expect(loading).rejects.toMatchObject({ ...gone, cause })
  })

  it('asks once for a sign of life, however many deadlines pass', async () => {
    const { clock, runner, instance, send } = await loaded()
    for (const { request } of [send(), send(), send()]) abortRequest(request, timeout())
    await runner.hears('ping')
    expect(runner.heard.filter(({ type }) => type === 'ping')).toHaveLength(1)
    runner.tell({ type: 'pong' })
    await expect.poll(() => clock.pending).toBe(0)
    await clock.advance(10_000)
    expect(runner.kills).toBe(0)
    await unloadOf(instance, runner)
  })

  it('ends a runner that gives none, before anyone hears of the requests', async () => {
    const { clock, runner, instance, send } = await loaded()
    const late = send()
    const neighbour = send()
    const order: string[] = []
    void instance.exited.then(() => order.push('exited'))
    neighbour.answer.catch(() => order.push('failed'))
    abortRequest(late.request, timeout())
    await clock.advance(499)
    expect(runner.kills).toBe(0)
    await clock.advance(1)
    const exit = await instance.exited
    expect(exit).toMatchObject({ reason: 'killed', cause: { code: 'FUNCTION_TIMEOUT' } })
    await expect(late.answer).rejects.toMatchObject({ name: 'TimeoutError' })
    await expect(neighbour.answer).rejects.toMatchObject(gone)
    expect(order).toEqual(['exited', 'failed'])
    expect(runner.kills).toBeGreaterThan(0)
    await instance.unload()
  })

  it('gives a runner up that has been ended and does not go', async () => {
    const { clock, runner, instance, send } = await loaded()
    runner.dies = false
    const late = send()
    const neighbour = send()
    abortRequest(late.request, timeout())
    await clock.advance(500)
    await expect.poll(() => runner.kills).toBe(1)
    await clock.advance(499)
    const quiet = new Promise(resolve => setImmediate(resolve, 'quiet'))
    expect(await Promise.race([instance.exited, quiet])).toBe('quiet')
    await clock.advance(1)
    expect(await instance.exited).toMatchObject({ reason: 'killed' })
    await expect(neighbour.answer).rejects.toMatchObject(gone)
    expect(() => send()).toThrow('killed')
    let isUnloaded = false
    const unloading = instance.unload().then(() => {
      isUnloaded = true
    })
    await new Promise(setImmediate)
    expect(isUnloaded).toBe(false)
    runner.die({ reason: 'crash' })
    await unloading
  })

  it('asks for no sign of life when a client leaves', async () => {
    const { clock, runner, instance, send } = await loaded()
    abortRequest(send().request)
    await runner.hears('abort')
    expect(clock.pending).toBe(0)
    await unloadOf(instance, runner)
    expect(runner.heard.map(({ type }) => type)).not.toContain('ping')
  })

  it('fails what is under way when the channel closes, and ends the runner', async () => {
    const { runner, instance, send } = await loaded()
    const waits: Promise<unknown>[] = []
    const streaming = instance.fetch(toIncoming(new Request('http://localhost/')), {
      ...context,
      waitUntil: promise => waits.push(Promise.resolve(promise)),
    } as FunctionContext)
    const head = { type: 'response', id: 1, status: 200, statusText: '', headers: [] } as const
    runner.tell(
      { type: 'wait-until', id: 1, promise: 1 },
      { ...head, body: null, stream: { length: undefined } },
    )
    const reader = (await streaming).body!.getReader()
    const { answer } = send()
    const reading = expect(reader.read()).rejects.toMatchObject(gone)
    const waiting = expect(waits[0]).rejects.toMatchObject(gone)
    runner.channel.close()
    await reading
    await waiting
    await expect(answer).rejects.toMatchObject(gone)
    expect(runner.kills).toBe(1)
    expect(() => send()).toThrow('crashed')
  })

  it('tells of no more failed waitUntil promises than may be logged', async () => {
    const { runner, instance, send, clock, lines } = await loaded({ timeout: '5s' })
    const waits: PromiseLike<unknown>[] = []
    const own = { ...context, waitUntil: (wait: PromiseLike<unknown>) => void waits.push(wait) }
    const { answer } = send({}, own as unknown as FunctionContext)
    const error = toSentError(new Error('no'))
    for (let promise = 0; promise < 2_500; promise++) {
      runner.tell(
        { type: 'wait-until', id: 1, promise },
        { type: 'settled', id: 1, promise, error },
      )
    }
    const head = { type: 'response', id: 1, status: 200, statusText: '', headers: [] } as const
    runner.tell({ ...head, body: null })
    await answer
    const results = await Promise.allSettled(waits)
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(2_000)
    await clock.advance(1_000)
    expect(lines).toMatchObject([{ dropped: 500 }])
    await unloadOf(instance, runner)
  })

  it('nor when it dies with them', async () => {
    const { runner, send, lines } = await loaded({ timeout: '5s' })
    const waits: PromiseLike<unknown>[] = []
    const all = Promise.withResolvers<void>()
    const waitUntil = (wait: PromiseLike<unknown>) => {
      if (waits.push(wait) === 2_500) all.resolve()
    }
    const { answer } = send({}, { ...context, waitUntil } as unknown as FunctionContext)
    for (let promise = 0; promise < 2_500; promise++)
      runner.tell({ type: 'wait-until', id: 1, promise })
    await all.promise
    runner.channel.close()
    await expect(answer).rejects.toMatchObject({ code: 'INSTANCE_EXITED' })
    const results = await Promise.allSettled(waits)
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(2_000)
    expect(lines).toMatchObject([{ dropped: 500 }])
  })

  it('ignores what comes for a request that is over or never was', async () => {
    const { runner, instance, send } = await loaded()
    const { answer } = send()
    const head = { type: 'response', id: 1, status: 201, statusText: '', headers: [] } as const
    runner.tell(
      { type: 'chunk', id: 7, bytes: new Uint8Array(1) },
      { type: 'settled', id: 7, promise: 3, error: undefined },
      { ...head, body: 'first' },
      { ...head, body: 'second' },
      { type: 'end', id: 1 },
      { type: 'credit', id: 1, bytes: 5 },
    )
    expect(await (await answer).text()).toBe('first')
    await unloadOf(instance, runner)
  })

  it('rejects an unload that the runner does not survive, and counts it as no exit', async () => {
    const { runner, instance } = await loaded()
    const unloading = instance.unload()
    await runner.hears('unload')
    runner.die({ reason: 'crash', cause: new Error('exit code 3') })
    await expect(unloading).rejects.toMatchObject(gone)
    const quiet = new Promise(resolve => setImmediate(resolve, 'quiet'))
    expect(await Promise.race([instance.exited, quiet])).toBe('quiet')
  })

  it('ends a runner that does not unload in time', async () => {
    const { clock, runner, instance } = await loaded()
    const unloading = expect(instance.unload()).rejects.toMatchObject({ code: 'FUNCTION_TIMEOUT' })
    await clock.advance(10_000)
    await unloading
    expect(runner.kills).toBe(1)
  })
})
