import { describe, expect, it } from 'vitest'
import { CHUNK_COST_BYTES, type ToHost } from '../../../src/executors/channel/messages.ts'
import { toSentError } from '../../../src/executors/channel/sent-error.ts'
import type { FunctionContext } from '../../../src/function/contract.ts'
import { context, loaded, unloadOf } from './scripted-runner.ts'

// A function in a process of its own shares it with the runner, and can write to the channel.

const CREDIT_BYTES = 65_536
const head = { type: 'response', id: 1, status: 200, statusText: '', headers: [] } as const
const stream = { ...head, body: null, stream: { length: undefined } } as const
const chunk = (size: number) => ({ type: 'chunk', id: 1, bytes: new Uint8Array(size) }) as const
const line = { type: 'log', level: 'info', fields: '{}', message: 'hello' } as const
const chunksOf = (count: number, size: number) => Array.from({ length: count }, () => chunk(size))

const breaches: readonly (readonly [string, readonly unknown[]])[] = [
  ['nothing', [null]],
  ['no message', [{}]],
  ['a status that there is not', [{ ...head, status: 99, body: null }]],
  ['a status that is no number', [{ ...head, status: '200', body: null }]],
  ['a status text with a line end', [{ ...head, statusText: 'OK\r\nx: y', body: null }]],
  ['a header with a line end', [{ ...head, headers: ['x', 'y\r\nz: 1'], body: null }]],
  ['a header name that is none', [{ ...head, headers: ['x y', 'z'], body: null }]],
  ['a header name not in lower case', [{ ...head, headers: ['Content-Length', '5'], body: null }]],
  ['a header without a value', [{ ...head, headers: ['x'], body: null }]],
  ['a header value that is a number', [{ ...stream, headers: ['connection', 5] }]],
  ['a header value that is a list', [{ ...stream, headers: ['x', []] }]],
  ['a header value that is an error', [{ ...stream, headers: ['x', new Error('a\r\nb: c')] }]],
  ['a status text that is a list', [{ ...stream, statusText: [] }]],
  ['headers that are no list', [{ ...head, headers: 'xy', body: null }]],
  ['a body that is none', [{ ...head, body: 5 }]],
  ['a length that is none', [{ ...stream, stream: { length: '1e3' } }]],
  ['a length that is a list', [{ ...stream, stream: { length: ['5'] } }]],
  ['more of a body than it was allowed to', [stream, ...chunksOf(3, CREDIT_BYTES)]],
  ['more pieces of a body than it was allowed to', [stream, ...chunksOf(2_000, 1)]],
  ['a piece that is too large', [stream, chunk(CREDIT_BYTES + 1)]],
  ['a piece that is not of bytes', [stream, { ...chunk(0), bytes: 'text' }]],
  ['a line at no level', [{ ...line, level: 'setBindings' }]],
  ['a line with fields that are no JSON', [{ ...line, fields: undefined }]],
  ['a line with a text for fields', [{ ...line, fields: JSON.stringify('long'.repeat(9)) }]],
  ['a line that is too long', [{ ...line, fields: JSON.stringify({ x: 'x'.repeat(65_536) }) }]],
  ['an error that is none', [{ type: 'failed', id: 1, error: null }]],
  ['a second answer', [{ type: 'wait-until', id: 1, promise: 1 }, { ...head, body: null }, stream]],
  ['a promise twice', [1, 1].map(promise => ({ type: 'wait-until', id: 1, promise }))],
]

describe('a runner that breaks the protocol is ended, and the host goes on', () => {
  it.each(breaches)('%s', async (_name, messages) => {
    const { instance, runner, send } = await loaded()
    const { answer } = send()
    const response = await Promise.race([
      answer.catch(() => undefined),
      (async () => {
        runner.tell(...(messages as ToHost[]))
        return instance.exited.then(() => undefined)
      })(),
    ])
    expect(await instance.exited).toMatchObject({ reason: 'crash', cause: expect.any(Error) })
    expect(runner.kills).toBeGreaterThan(0)
    if (response?.body)
      await expect(response.text()).rejects.toMatchObject({ code: 'INSTANCE_EXITED' })
    expect(() => send()).toThrow('crashed')
  })

  it('and nothing that it sends after that is heard', async () => {
    const { instance, runner, send, lines } = await loaded()
    const { answer } = send()
    runner.tell({ ...head, status: 99, body: null }, { ...head, body: 'forged' }, line)
    await expect(answer).rejects.toMatchObject({ code: 'INSTANCE_EXITED' })
    await instance.exited
    expect(lines).toEqual([])
  })
})

it('what a runner says in words is cut where no runner would say more', async () => {
  const { instance, runner, lines } = await loaded()
  const long = 'x'.repeat(100_000)
  const sent = { ...toSentError(new Error()), name: long, message: long, stack: long, code: long }
  runner.tell({ ...line, message: long, error: { ...sent, cause: sent } })
  await expect.poll(() => lines.length).toBe(1)
  expect(lines).toMatchObject([{ msg: 'x'.repeat(65_536) }])
  expect(JSON.stringify(lines).length).toBeLessThan(9 * 65_536 + 1_000)
  await unloadOf(instance, runner)
})

it('long lines fill the log no faster than short ones', async () => {
  const { instance, runner, lines, clock, send } = await loaded()
  const error = toSentError(new Error('x'.repeat(60_000)))
  const { answer } = send()
  for (let n = 0; n < 400; n++) runner.tell({ ...line, error })
  runner.tell({ ...head, body: null })
  await answer
  await clock.advance(1_000)
  const [last] = lines.splice(-1)
  expect(last).toMatchObject({ dropped: 400 - lines.length })
  // A burst of 2,000 lines of 8 KiB.
  expect(JSON.stringify(lines).length).toBeLessThan(2_000 * 8_192 + 200_000)
  expect(lines.length).toBeGreaterThan(100)
  await unloadOf(instance, runner)
})

describe('a promise that a runner tells of', () => {
  it('before there is its request is not counted for that', async () => {
    const { instance, runner, send } = await loaded({ timeout: '5s' })
    const { promise: cancelled, resolve: cancel } = Promise.withResolvers<void>()
    const { promise: waits, resolve: wait } = Promise.withResolvers<void>()
    const own = { ...context, waitUntil: () => wait() } as unknown as FunctionContext
    send({}, own)
    runner.tell({ type: 'wait-until', id: 2, promise: 1 })
    await waits
    const body = new ReadableStream({ cancel: () => cancel() })
    const { answer } = send({ method: 'POST', body, duplex: 'half' } as RequestInit)
    runner.tell(
      { type: 'credit', id: 2, bytes: CREDIT_BYTES },
      { type: 'settled', id: 2, promise: 1, error: undefined },
      { ...head, id: 2, body: null },
    )
    await answer
    // The request is over, so that nothing of it is kept.
    await cancelled
    runner.tell({ ...head, body: null })
    await unloadOf(instance, runner)
  })
})

describe('what a runner grants', () => {
  it.each([Number.POSITIVE_INFINITY, Number.MAX_VALUE, '1e9', Number.NaN, -5])(
    'is no more than a receiver has at first: %s',
    async bytes => {
      const { instance, runner, send } = await loaded()
      const body = ReadableStream.from(endless())
      send({ method: 'POST', body, duplex: 'half' } as RequestInit)
      runner.tell({ type: 'credit', id: 1, bytes: bytes as number })
      for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
      const sent = runner.heard.flatMap(message =>
        message.type === 'chunk' ? [message.bytes] : [],
      )
      const cost = sent.reduce((sum, { byteLength }) => sum + byteLength + CHUNK_COST_BYTES, 0)
      expect(cost).toBeLessThanOrEqual(CREDIT_BYTES + 10_000 + CHUNK_COST_BYTES)
      runner.tell({ ...head, body: null })
      await unloadOf(instance, runner)
    },
  )
})

function* endless(): Generator<Uint8Array> {
  for (;;) yield new Uint8Array(10_000)
}
