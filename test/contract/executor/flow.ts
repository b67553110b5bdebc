import { expect, it } from 'vitest'
import { type ExecutorWorld, eventually, settledValue } from './world.ts'

const MIB = 2 ** 20
/** What may lie between a function and a client that stands still. */
const BUFFERED_BYTES = 4 * MIB

/** Who reads sets the pace. */
export function describeFlow(world: ExecutorWorld): void {
  it('streams request and response at the same time', async () => {
    const instance = await world.load('Mirror')
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
    const writer = writable.getWriter()
    const answering = world.call(instance, '/capitals', { method: 'POST', body: readable })
    const first = writer.write(Buffer.from('one'))
    const reader = (await answering).body!.getReader()
    expect(Buffer.from((await reader.read()).value!).toString()).toBe('ONE')
    await first
    const second = writer.write(Buffer.from('two'))
    expect(Buffer.from((await reader.read()).value!).toString()).toBe('TWO')
    await second
    await writer.close()
    expect((await reader.read()).done).toBe(true)
  })

  it('lets a function wait for a reader that stands still, and it alone', async () => {
    const instance = await world.load('Producer')
    const enqueued = async () => (await world.call(instance, '/enqueued')).json() as Promise<number>
    const reader = (await world.call(instance, '/endless')).body!.getReader()
    await reader.read()
    const before = await settledValue(enqueued)
    expect(before).toBeLessThan(BUFFERED_BYTES)
    for (let read = 0; read < BUFFERED_BYTES; ) read += (await reader.read()).value!.byteLength
    expect(await enqueued()).toBeGreaterThan(before)
    await reader.cancel()
  })

  it('lets a client wait for a function that does not read', async () => {
    const instance = await world.load('Producer')
    const total = 16 * MIB
    let sent = 0
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        const chunk = new Uint8Array(65_536)
        sent += chunk.byteLength
        controller.enqueue(chunk)
        if (sent === total) controller.close()
      },
    })
    const response = await world.call(instance, '/slow-reader', { method: 'POST', body })
    const reader = response.body!.getReader()
    expect(Buffer.from((await reader.read()).value!).toString()).toBe('begun ')
    expect(await settledValue(() => sent)).toBeLessThan(BUFFERED_BYTES)
    await world.call(instance, '/release')
    expect(Buffer.from((await reader.read()).value!).toString()).toBe(String(total))
  })

  it('tells the function when the reader of a stream leaves', async () => {
    const instance = await world.load('Producer')
    const reader = (await world.call(instance, '/endless')).body!.getReader()
    expect((await reader.read()).value!.byteLength).toBeGreaterThan(0)
    await reader.cancel()
    await eventually(() => world.journal).toEqual(['load fixture v7', 'cancelled'])
  })

  it('tells the function when nobody has read the stream at all', async () => {
    const instance = await world.load('Producer')
    await (await world.call(instance, '/endless')).body!.cancel()
    await eventually(() => world.journal).toEqual(['load fixture v7', 'cancelled'])
  })
}
