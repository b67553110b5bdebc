import { once } from 'node:events'
import { expect, it, onTestFinished, vi } from 'vitest'
import { frameHead } from '../../../src/executors/channel/frames.ts'
import { SocketChannel } from '../../../src/executors/channel/socket-channel.ts'
import { sockets, take } from './pairs.ts'

it('ends with the cause when a frame is absurdly long', async () => {
  const [near, far] = await sockets()
  const channel = new SocketChannel(near)
  far.write('GET / HTTP/1.1\r\n\r\n')
  expect(await channel.closed).toMatchObject({ message: expect.stringContaining('longer than') })
})

it('ends with the cause when a frame holds no messages', async () => {
  const [near, far] = await sockets()
  const channel = new SocketChannel(near)
  far.write(Buffer.concat([frameHead(4), Buffer.from('junk')]))
  expect(await channel.closed).toBeInstanceOf(Error)
})

it('ends when the peer ends its half', async () => {
  const [near, far] = await sockets()
  const channel = new SocketChannel(near)
  far.end()
  expect(await channel.closed).toBeUndefined()
})

it('ends when the peer resets the connection', async () => {
  const [near, far] = await sockets()
  const channel = new SocketChannel(near)
  far.resetAndDestroy()
  expect(await channel.closed).toMatchObject({ code: 'ECONNRESET' })
})

it('writes nothing while the peer does not read, and all of it in order when it does', async () => {
  const [near, far] = await sockets()
  const channel = new SocketChannel<{ number: number; bytes: Uint8Array }, never>(near)
  const bytes = new Uint8Array(100_000)
  for (let number = 0; number < 500; number++) {
    channel.send({ number, bytes })
    await new Promise(setImmediate)
  }
  // One frame at most is in memory beside what the kernel takes, of 50 MB.
  expect(near.writableLength).toBeGreaterThan(0)
  expect(near.writableLength).toBeLessThan(33 * 100_100)
  const received = await take(new SocketChannel<never, { number: number }>(far), 500)
  expect(received.map(({ number }) => number)).toEqual(Array.from({ length: 500 }, (_, n) => n))
})

it('sends long messages of one turn in as many frames as they need, and one that is too long not at all', async () => {
  const [near, far] = await sockets()
  const channel = new SocketChannel<{ number: number; text: string }, never>(near)
  // Two bytes each, as the text of errors may be.
  const text = '長'.repeat(500_000)
  for (let number = 0; number < 40; number++) channel.send({ number, text })
  const received = await take(new SocketChannel<never, { number: number; text: string }>(far), 40)
  expect(received.map(({ number }) => number)).toEqual(Array.from({ length: 40 }, (_, n) => n))
  expect(received.at(-1)).toEqual({ number: 39, text })
  channel.send({ number: 40, text: text.repeat(20) })
  expect(await channel.closed).toMatchObject({ message: expect.stringContaining('longer than') })
})

it('takes no longer for a message when many wait', async () => {
  const [near, far] = await sockets()
  const channel = new SocketChannel<number, never>(near)
  const slice = vi.spyOn(Array.prototype, 'slice')
  onTestFinished(() => slice.mockRestore())
  const count = 50_000
  for (let number = 0; number < count; number++) channel.send(number)
  const received = await take(new SocketChannel<never, number>(far), count)
  const moved = slice.mock.results.reduce((sum, { value }) => sum + value.length, 0)
  expect(received.at(-1)).toBe(count - 1)
  // Each goes into a batch, and is moved once or twice on its way there.
  expect(moved).toBeLessThan(4 * count)
})

it('loses what it has not written when it is closed, and settles', async () => {
  const [near] = await sockets()
  const channel = new SocketChannel<Uint8Array, never>(near)
  for (let count = 0; count < 100; count++) channel.send(new Uint8Array(100_000))
  await new Promise(setImmediate)
  channel.close()
  await channel.closed
  expect(near.destroyed).toBe(true)
  if (!near.closed) await once(near, 'close')
})
