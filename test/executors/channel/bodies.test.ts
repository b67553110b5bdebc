import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ChunkMessage, EndMessage } from '../../../src/executors/channel/messages.ts'
import { ReceivedBody } from '../../../src/executors/channel/received-body.ts'
import { SentBody } from '../../../src/executors/channel/sent-body.ts'
import { fromSentError } from '../../../src/executors/channel/sent-error.ts'
import { portPair } from './pairs.ts'

type Piece = ChunkMessage | EndMessage
type Answer = { readonly grant: number } | 'cancel'

const CREDIT_BYTES = 65_536

/** A body on its way through a channel, and what was sent of it. */
function setup(creditBytes = CREDIT_BYTES) {
  const { near, far } = portPair<Piece, Answer>()
  const sent = new SentBody(near, 1, creditBytes)
  const received = new ReceivedBody(
    { grant: bytes => far.send({ grant: bytes }), cancel: () => far.send('cancel') },
    creditBytes === 0 ? CREDIT_BYTES : 0,
  )
  const seen = { bytes: 0, pieces: 0 }
  near.receive(answer => {
    if (answer === 'cancel') sent.cancel(new Error('cancelled'))
    else sent.grant(answer.grant)
  })
  far.receive(piece => {
    if (piece.type === 'end') {
      if (piece.error === undefined) received.end()
      else received.fail(fromSentError(piece.error))
      return
    }
    seen.bytes += piece.bytes.length
    seen.pieces++
    received.push(piece.bytes)
  })
  return { sent, received, seen }
}

const streamOf = (chunks: Iterable<unknown>) => ReadableStream.from(chunks as Iterable<Uint8Array>)

function* endless(size: number): Generator<Uint8Array> {
  for (;;) yield new Uint8Array(size)
}

/** Long enough for all that is under way to arrive. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
}

describe('a body over a channel', () => {
  it('arrives as it was sent, whole or as a stream, asked for or not', async () => {
    const chunks = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(chunks, fc.boolean(), fc.constantFrom(0, CREDIT_BYTES), async (...given) => {
        const [pieces, isWhole, credit] = given
        const { sent, received } = setup(credit)
        const sending = sent.send(streamOf(pieces))
        const bytes = isWhole
          ? await received.bytes()
          : await new Response(received.stream()).bytes()
        await sending
        expect([...bytes]).toEqual(pieces.flatMap(piece => [...piece]))
      }),
      { numRuns: 40 },
    )
  })

  it('arrives in pieces when it is large, with views of larger buffers', async () => {
    const { sent, received, seen } = setup()
    const whole = Buffer.alloc(1_000_000, 'abcdefg')
    void sent.send(streamOf([whole.subarray(0, 999_999), whole.subarray(999_999)]))
    expect(Buffer.from(await received.bytes()).equals(whole)).toBe(true)
    expect(seen.pieces).toBeGreaterThan(10)
  })

  it('leaves its chunks to whoever made them', async () => {
    const { sent, received } = setup()
    const chunk = new Uint8Array(20_000).fill(1)
    void sent.send(streamOf([chunk, chunk]))
    expect(await received.bytes()).toHaveLength(40_000)
    expect(chunk).toHaveLength(20_000)
  })

  it.each([
    ['large', 200_000, 2 * CREDIT_BYTES],
    ['small', 1, CREDIT_BYTES],
  ])('waits for its reader: %s pieces', async (_name, size, mostBytes) => {
    const { sent, received, seen } = setup()
    void sent.send(streamOf(endless(size)))
    await turns()
    const { bytes, pieces } = seen
    expect(bytes).toBeLessThanOrEqual(mostBytes)
    expect(pieces).toBeLessThanOrEqual(1_100)
    await turns()
    expect(seen).toEqual({ bytes, pieces })
    const reader = received.stream().getReader()
    while (seen.bytes === bytes) await reader.read()
    await reader.cancel()
  })

  it('is not sent before it is asked for', async () => {
    const { sent, received, seen } = setup(0)
    void sent.send(streamOf([new Uint8Array(10)]))
    await turns()
    expect(seen.pieces).toBe(0)
    expect(await received.bytes()).toHaveLength(10)
  })

  it('is cancelled at its source when its reader cancels', async () => {
    const { sent, received } = setup()
    const cancelled = Promise.withResolvers<unknown>()
    const source = new ReadableStream<Uint8Array>({
      pull: controller => controller.enqueue(new Uint8Array(10)),
      cancel: cancelled.resolve,
    })
    const sending = sent.send(source)
    const reader = received.stream().getReader()
    await reader.read()
    await reader.cancel()
    expect(await cancelled.promise).toMatchObject({ message: 'cancelled' })
    await sending
  })

  it('fails where its source fails, after what came before', async () => {
    const { sent, received } = setup()
    const source = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(new Uint8Array(3))
        controller.error(new RangeError('broken'))
      },
    })
    await sent.send(source)
    await expect(received.bytes()).rejects.toMatchObject({ name: 'RangeError', message: 'broken' })
  })

  it('fails for a chunk that holds no bytes', async () => {
    const { sent, received } = setup()
    await sent.send(streamOf(['text']))
    await expect(received.bytes()).rejects.toThrow('non-Uint8Array')
  })

  it('fails its reader, waiting or not, when it is lost', async () => {
    const received = new ReceivedBody({ grant() {}, cancel() {} })
    const reader = received.stream().getReader()
    const reading = reader.read()
    received.fail(new Error('lost'))
    await expect(reading).rejects.toThrow('lost')
    await expect(reader.read()).rejects.toThrow('lost')
    received.push(new Uint8Array(1))
    received.end()
  })

  it('fills the buffers of a reader that brings its own', async () => {
    const { sent, received } = setup()
    void sent.send(streamOf([Buffer.from('abcdef')]))
    const reader = received.stream().getReader({ mode: 'byob' })
    const texts: string[] = []
    for (;;) {
      const { done, value } = await reader.read(new Uint8Array(4))
      if (done) break
      texts.push(Buffer.from(value).toString())
    }
    expect(texts).toEqual(['abcd', 'ef'])
  })
})
