import { expect, it } from 'vitest'
import type { RequestMessage, ToHost, ToRunner } from '../../../src/executors/channel/messages.ts'
import { toSentError } from '../../../src/executors/channel/sent-error.ts'
import { ServedRequest } from '../../../src/executors/channel/served-request.ts'
import type { LifecycleContext } from '../../../src/function/contract.ts'
import { FastResponse } from '../../../src/http/web/response.ts'
import { createLogger } from '../../../src/telemetry/logger.ts'
import { portPair } from './pairs.ts'

const message: RequestMessage = {
  type: 'request',
  id: 1,
  method: 'POST',
  scheme: 'http',
  authority: 'localhost',
  target: '/',
  rawHeaders: [],
  clientAddress: '',
  params: {},
  requestId: 'r',
  traceparent: undefined,
  body: 'on-demand',
  abortReason: undefined,
}
const lifecycle: LifecycleContext = {
  functionId: 'f',
  version: '1',
  env: {},
  log: createLogger({ level: 'silent' }),
}

function setup() {
  const { near, far } = portPair<ToHost, ToRunner>()
  const heard: string[] = []
  far.receive(({ type }) => heard.push(type))
  let over = 0
  const request = new ServedRequest(message, lifecycle, near, () => over++)
  return { request, heard, isOver: () => over > 0 }
}

const late = toSentError(new DOMException('too late', 'TimeoutError'))

it('a request that was dropped is over, and its body fails', async () => {
  const { request, isOver } = setup()
  const reading = expect(request.request.text()).rejects.toMatchObject({ name: 'TimeoutError' })
  request.drop(late)
  await reading
  expect(isOver()).toBe(true)
})

it('a stream that answers a request that was dropped is cancelled, not sent', async () => {
  const { request, heard } = setup()
  request.drop(late)
  const cancelled = Promise.withResolvers<void>()
  request.answer(new Response(new ReadableStream({ cancel: () => cancelled.resolve() })))
  await cancelled.promise
  await new Promise(setImmediate)
  expect(heard).toEqual([])
})

it('a stream that is under way when its request is dropped is cancelled', async () => {
  const { request, isOver } = setup()
  const cancelled = Promise.withResolvers<void>()
  request.answer(new Response(new ReadableStream({ cancel: () => cancelled.resolve() })))
  expect(isOver()).toBe(false)
  request.drop(late)
  await cancelled.promise
  expect(isOver()).toBe(true)
})

it('waitUntil takes what is no promise', async () => {
  const { request, heard, isOver } = setup()
  request.waitUntil(5 as never)
  request.answer(new FastResponse('done'))
  expect(isOver()).toBe(false)
  await expect.poll(() => heard).toEqual(['wait-until', 'response', 'settled'])
  expect(isOver()).toBe(true)
})
