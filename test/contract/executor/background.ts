import { expect, it } from 'vitest'
import { FezzError } from '../../../src/errors.ts'
import { abortRequest } from '../../../src/http/web/incoming-request.ts'
import { type ExecutorWorld, eventually, requestOf } from './world.ts'

const timeout = () => new DOMException('took too long', 'TimeoutError')

/** What goes on beside the answer: the abort of a request, and work that outlives it. */
export function describeBackground(world: ExecutorWorld): void {
  it.each(['/request', '/context'])('passes an abort on to the signal: %s', async target => {
    const instance = await world.load('Waiting')
    const request = requestOf(target)
    const answering = world.send(instance, request)
    abortRequest(request, timeout())
    // The function may still answer, or the executor give up on it: nobody waits for either.
    await answering.catch(() => {})
    const line = `${target.slice(1)} aborted: TimeoutError`
    await eventually(() => world.journal).toEqual(['load fixture v7', line])
  })

  it('passes an abort on while the function waits', async () => {
    const instance = await world.load('Waiting')
    const request = requestOf('/request')
    const answering = world.send(instance, request)
    // An exchange later the first request has long begun.
    await world.call(instance, '/')
    abortRequest(request)
    await answering.catch(() => {})
    await eventually(() => world.journal).toContain('request aborted: AbortError')
  })

  it('passes on that the client has left', async () => {
    const instance = await world.load('Waiting')
    const leave = Promise.withResolvers<void>()
    const onAbort = (listener: () => void) => void leave.promise.then(listener)
    const answering = world.send(instance, requestOf('/request', {}, { onAbort }))
    await world.call(instance, '/')
    leave.resolve()
    await answering.catch(() => {})
    await eventually(() => world.journal).toContain('request aborted: AbortError')
  })

  it('passes an abort on while the response is under way', async () => {
    const instance = await world.load('Waiting')
    const request = requestOf('/stream')
    const reader = (await world.send(instance, request)).body!.getReader()
    expect(Buffer.from((await reader.read()).value!).toString()).toBe('begun')
    abortRequest(request)
    await eventually(() => world.journal).toContain('stream aborted')
    await reader.cancel().catch(() => {})
  })

  it.each([
    ['passes on an abort that came before the request did', false],
    ['passes on one that somebody has listened for before', true],
  ])('%s', async (_, isListenedFor) => {
    const instance = await world.load('Waiting')
    const request = requestOf('/request')
    if (isListenedFor) request.signal.addEventListener('abort', () => {})
    abortRequest(request, timeout())
    await world.send(instance, request).catch(() => {})
    await eventually(() => world.journal).toContain('request aborted: TimeoutError')
    expect(await (await world.call(instance, '/')).json()).toBe(false)
  })

  it('goes on where a function that ignores its abort leaves its thread free', async () => {
    const instance = await world.load('Waiting')
    const request = requestOf('/deaf')
    const answering = world.send(instance, request)
    void answering.catch(() => {})
    await eventually(async () => (await world.call(instance, '/count')).json()).toBe(1)
    abortRequest(request, timeout())
    expect(await (await world.call(instance, '/count')).json()).toBe(1)
  })

  /** The promises that a call of `target` has handed to the host. */
  const backgroundOf = async (target: string) => {
    const instance = await world.load('Background')
    const promises: PromiseLike<unknown>[] = []
    const waitUntil = (promise: PromiseLike<unknown>) => void promises.push(promise)
    const request = requestOf(target)
    const response = await world.send(instance, request, { waitUntil })
    expect(await response.text()).toBe('later')
    await eventually(() => promises.length).toBe(1)
    return { request, promise: Promise.resolve(promises[0]) }
  }

  it('passes waitUntil on, and settles it when its promise does', async () => {
    const { request, promise } = await backgroundOf('/aborted')
    expect(world.journal).toEqual(['load fixture v7'])
    abortRequest(request)
    await promise
    expect(world.journal).toEqual(['load fixture v7', 'aborted'])
  })

  it('passes on that a waitUntil has rejected', async () => {
    const { promise } = await backgroundOf('/rejected')
    await expect(promise).rejects.toMatchObject({
      name: 'RangeError',
      message: 'rejected in the background',
    })
  })

  it.each(['/thenable', '/meanwhile'])('passes on a late or odd waitUntil: %s', async target => {
    await (await backgroundOf(target)).promise
  })

  it('outlives a waitUntil of a request that is over', async () => {
    const instance = await world.load('Background')
    for (const round of [1, 2]) {
      const response = await world.call(instance, '/afterwards')
      expect(await response.text(), `round ${round}`).toBe('later')
      await eventually(() => world.journal.length).toBe(1 + round)
    }
  })

  it('keeps the reason of an abort out of the way of the answer', async () => {
    const instance = await world.load('Waiting')
    const request = requestOf('/request')
    const answering = world.send(instance, request)
    abortRequest(request, new FezzError('FUNCTION_TIMEOUT', 'too late'))
    await answering.catch(() => {})
    await eventually(() => world.journal).toContain('request aborted: FezzError')
  })
}
