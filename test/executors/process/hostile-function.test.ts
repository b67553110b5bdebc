import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkManifest } from '../../../src/function/manifest-schema.ts'
import { artifactOf, call, ProcessWorld } from './setup.ts'

/** Writes to the very socket by which its runner speaks with the host. */
const SOURCE = `
import { writeSync } from 'node:fs'
import { serialize } from 'node:v8'
const CHANNEL_FD = 3
function write(bytes) {
  for (let at = 0; at < bytes.length; ) {
    try { at += writeSync(CHANNEL_FD, bytes, at) } catch (error) { if (error.code !== 'EAGAIN') throw error }
  }
}
function frame(value) {
  const payload = serialize(value)
  const head = Buffer.alloc(4)
  head.writeUInt32BE(payload.length)
  return Buffer.concat([head, payload])
}
const forged = id => ({ type: 'response', id, status: 200, statusText: '', headers: ['x', 'y\\r\\nz: 1'], body: '' })
const kinds = {
  '/garbage': () => Buffer.from('GET / HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n'),
  '/junk-in-frame': () => Buffer.from([0, 0, 0, 4, 1, 2, 3, 4]),
  '/too-long': () => Buffer.from([0xff, 0xff, 0xff, 0xff]),
  '/no-batch': () => frame(5),
  '/split-response': () => frame(Array.from({ length: 100 }, (_, id) => forged(id))),
  '/many-objects': () => frame(Array.from({ length: 1_000_000 }, () => ({}))),
  '/flood': () => frame([
    { type: 'response', id: 2, status: 200, statusText: '', headers: [], body: null, stream: {} },
    ...Array.from({ length: 100 }, () => ({ type: 'chunk', id: 2, bytes: new Uint8Array(65536) })),
  ]),
}
export default { async fetch(request) {
  const bytes = kinds[new URL(request.url).pathname]?.()
  if (bytes) write(bytes)
  else return new Response('fine')
  return new Promise(() => {})
} }`

describe('a function that writes to the channel of its runner', () => {
  let world: ProcessWorld
  let deployment: Parameters<ProcessWorld['executor']['load']>[0]
  beforeAll(async () => {
    world = await ProcessWorld.open()
    const manifest = checkManifest({ id: 'hostile', version: 'v1' }, 'test')
    deployment = { manifest, code: await artifactOf(SOURCE), env: {} }
  })
  afterAll(() => world[Symbol.asyncDispose]())

  it.each([
    '/garbage',
    '/junk-in-frame',
    '/too-long',
    '/no-batch',
    '/split-response',
    '/many-objects',
    '/flood',
  ])('ends itself and nothing else: %s', async target => {
    const neighbour = await world.executor.load(deployment)
    const hostile = await world.executor.load(deployment)
    expect(await (await call(hostile)).text()).toBe('fine')
    const answered = call(hostile, target).then(response => response.text())
    await expect(answered).rejects.toMatchObject({ code: 'INSTANCE_EXITED' })
    expect(await hostile.exited).toMatchObject({ reason: 'crash' })
    expect(await (await call(neighbour)).text()).toBe('fine')
    await neighbour.unload()
  })
})
