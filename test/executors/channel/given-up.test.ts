import { describe, expect, it } from 'vitest'
import type { ToRunner } from '../../../src/executors/channel/messages.ts'
import type { FunctionContext } from '../../../src/function/contract.ts'
import { abortRequest } from '../../../src/http/web/incoming-request.ts'
import { context, loaded, unloadOf } from './scripted-runner.ts'

const head = { type: 'response', id: 1, status: 200, statusText: '', headers: [] } as const
const timeout = () => new DOMException('too late', 'TimeoutError')
const typesOf = (heard: readonly ToRunner[]) => heard.map(({ type }) => type)

describe('a request that is past its deadline', () => {
  it('is given up, its body too, and no late answer of it is kept', async () => {
    const { instance, runner, send } = await loaded()
    const { request, answer } = send({ method: 'POST', body: 'text' })
    await runner.hears('request')
    abortRequest(request, timeout())
    await expect(answer).rejects.toMatchObject({ name: 'TimeoutError' })
    await runner.hears('drop')
    expect(typesOf(runner.heard).slice(2)).toEqual(['abort', 'drop', 'ping'])
    // It lets go of the stream when it hears of the drop; what is answered here, could be sent for ever.
    const next = send()
    runner.tell(
      { type: 'pong' },
      { ...head, body: null, stream: { length: undefined } },
      { ...head, id: 2, body: null },
    )
    await next.answer
    await unloadOf(instance, runner)
    expect(typesOf(runner.heard)).not.toContain('cancel')
  })

  it('is dropped after what else it has waited for', async () => {
    const { instance, runner, send } = await loaded()
    const waiting = Promise.withResolvers<void>()
    const own = { ...context, waitUntil: () => waiting.resolve() } as unknown as FunctionContext
    const { request, answer } = send({}, own)
    runner.tell({ type: 'wait-until', id: 1, promise: 1 })
    await waiting.promise
    abortRequest(request, timeout())
    await expect(answer).rejects.toMatchObject({ name: 'TimeoutError' })
    await runner.hears('ping')
    expect(typesOf(runner.heard)).not.toContain('drop')
    runner.tell({ type: 'pong' }, { type: 'settled', id: 1, promise: 1, error: undefined })
    await runner.hears('drop')
    await unloadOf(instance, runner)
  })

  it('is noticed also when its client has left before', async () => {
    const { clock, instance, runner, send } = await loaded()
    const client = new AbortController()
    const { request, answer } = send({ signal: client.signal })
    client.abort()
    await runner.hears('abort')
    expect(clock.pending).toBe(0)
    abortRequest(request, timeout())
    await expect(answer).rejects.toMatchObject({ name: 'TimeoutError' })
    await clock.advance(500)
    expect(await instance.exited).toMatchObject({ reason: 'killed' })
    expect(typesOf(runner.heard).filter(type => type === 'ping')).toHaveLength(1)
  })
})

describe('a waitUntil that never settles', () => {
  it('is forgotten after the timeout, and so is its request', async () => {
    const { clock, instance, runner, send } = await loaded({ timeout: '5s' })
    let waits = 0
    const counting = { ...context, waitUntil: () => waits++ } as unknown as FunctionContext
    const { answer } = send({ method: 'POST', body: 'text' }, counting)
    runner.tell({ type: 'wait-until', id: 1, promise: 1 }, { ...head, body: 'done' })
    expect(await (await answer).text()).toBe('done')
    expect([waits, clock.pending]).toEqual([1, 1])
    await clock.advance(5_000)
    await expect
      .poll(() => runner.heard.at(-1))
      .toMatchObject({ type: 'drop', reason: { name: 'TimeoutError' } })
    // Too late, and no harm.
    runner.tell({ type: 'settled', id: 1, promise: 1, error: undefined })
    await unloadOf(instance, runner)
  })

  it('is forgotten when it settles or its instance dies, with its timer', async () => {
    const { clock, instance, runner, send } = await loaded({ timeout: '5s' })
    send()
    runner.tell(
      { type: 'wait-until', id: 1, promise: 1 },
      { type: 'wait-until', id: 1, promise: 2 },
    )
    await expect.poll(() => clock.pending).toBe(2)
    runner.tell({ type: 'settled', id: 1, promise: 1, error: undefined })
    await expect.poll(() => clock.pending).toBe(1)
    runner.die({ reason: 'crash' })
    await instance.exited
    expect(clock.pending).toBe(0)
  })
})
