import { expect, it } from 'vitest'
import { loaded, unloadOf } from './scripted-runner.ts'

const head = { type: 'response', id: 1, status: 200, statusText: '', headers: [] } as const
const chunk = (size: number) => ({ type: 'chunk', id: 1, bytes: new Uint8Array(size) }) as const
const tooLarge = { code: 'BAD_RESPONSE', message: expect.stringContaining('maxOutput of 1000') }

it.each([
  ['bytes', { ...head, body: new Uint8Array(1_001) }],
  ['text, by its bytes', { ...head, body: 'é'.repeat(501) }],
  ['a stream that says its length', { ...head, body: null, stream: { length: '1001' } }],
])('maxOutput: no larger answer comes of %s', async (_name, message) => {
  const { instance, runner, send } = await loaded({ maxOutput: 1_000 })
  const { answer } = send()
  runner.tell(message)
  await expect(answer).rejects.toMatchObject(tooLarge)
  if ('stream' in message) await runner.hears('cancel')
  await unloadOf(instance, runner)
})

it('maxOutput: cuts a stream that goes beyond it, and stops who makes it', async () => {
  const { instance, runner, send } = await loaded({ maxOutput: 1_000 })
  const { answer } = send()
  runner.tell({ ...head, body: null, stream: { length: undefined } }, chunk(600))
  const reader = (await answer).body!.getReader()
  expect((await reader.read()).value).toHaveLength(600)
  runner.tell(chunk(401))
  await expect(reader.read()).rejects.toMatchObject(tooLarge)
  await runner.hears('cancel')
  await unloadOf(instance, runner)
})

it('maxOutput: lets through what is just as large', async () => {
  const { instance, runner, send } = await loaded({ maxOutput: 1_000 })
  const { answer } = send()
  runner.tell({ ...head, body: null, stream: { length: '1000' } }, chunk(400), chunk(600))
  runner.tell({ type: 'end', id: 1 })
  expect(await (await answer).bytes()).toHaveLength(1_000)
  await unloadOf(instance, runner)
})
