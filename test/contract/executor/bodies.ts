import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import { FezzError } from '../../../src/errors.ts'
import { digestOf, patternBytes, patternStream } from './pattern.ts'
import { type ExecutorWorld, settledValue } from './world.ts'

const MIB = 2 ** 20
const LARGE_BYTES = 64 * MIB

/** None, and around what the channels between a host and its instances grant and cut at. */
const SIZES = [0, 1, 65_535, 65_536, 65_537, 131_072, 131_073, MIB + 1]

/** Every byte there is, and sequences that are no UTF-8. */
const BINARY = Uint8Array.from([...Array(256).keys(), 0xc0, 0x80, 0xed, 0xa0, 0x80, 0xf8, 0xff, 0])

/** Content, both ways. */
export function describeBodies(world: ExecutorWorld): void {
  const upload = (body: NonNullable<RequestInit['body']>) => ({ method: 'POST', body })

  it.each(['/stream', '/whole'])('hands every byte over and back: %s', async target => {
    const instance = await world.load('Mirror')
    const response = await world.call(instance, target, upload(BINARY))
    expect(await response.bytes()).toEqual(BINARY)
  })

  it.each(SIZES)('hands %i bytes over and back', async size => {
    const mirror = await world.load('Mirror')
    const producer = await world.load('Producer')
    const expected = await digestOf(patternStream(size))
    const responses = await Promise.all([
      world.call(mirror, '/stream', upload(patternBytes(size))),
      world.call(mirror, '/stream', upload(patternStream(size))),
      world.call(mirror, '/whole', upload(patternBytes(size))),
      world.call(mirror, '/whole', upload(patternStream(size, 1_021))),
      world.call(producer, `/whole?bytes=${size}`),
      world.call(producer, `/stream?bytes=${size}`),
    ])
    const digests = await Promise.all(responses.map(({ body }) => digestOf(body)))
    expect(digests).toEqual(digests.map(() => expected))
  })

  it('hands long text back', async () => {
    const instance = await world.load('Producer')
    const text = await (await world.call(instance, `/text?bytes=${MIB}`)).text()
    expect(text === 'ü'.repeat(MIB / 2)).toBe(true)
  })

  it('hands a large body over', async () => {
    const instance = await world.load('Mirror')
    const response = await world.call(instance, '/digest', upload(patternStream(LARGE_BYTES)))
    expect(await response.json()).toEqual(await digestOf(patternStream(LARGE_BYTES)))
  })

  it.each(['/stream', '/whole'])('hands a large body back: %s', async target => {
    const instance = await world.load('Producer')
    const { body } = await world.call(instance, `${target}?bytes=${LARGE_BYTES}`)
    expect(await digestOf(body)).toEqual(await digestOf(patternStream(LARGE_BYTES)))
  })

  it('hands to each of many at once its own', async () => {
    const instance = await world.load('Mirror')
    const exchange = async (index: number) => {
      const bytes = new Uint8Array(1 + index * 977).fill(index)
      const body = index % 2 === 0 ? bytes : (new Blob([bytes]).stream() as ReadableStream)
      const target = index % 3 === 0 ? '/whole' : '/stream'
      const answer = await (await world.call(instance, target, upload(body))).bytes()
      return Buffer.compare(answer, bytes) === 0
    }
    const exchanges = await Promise.all(Array.from({ length: 200 }, (_, index) => exchange(index)))
    expect(exchanges).toEqual(exchanges.map(() => true))
  })

  it('does not take what the function does not read', async () => {
    const instance = await world.load('Mirror')
    let sent = 0
    const body = new ReadableStream<Uint8Array>({
      pull: controller => {
        sent += 65_536
        controller.enqueue(new Uint8Array(65_536))
      },
    })
    for (const unread of ['small', patternStream(MIB), body]) {
      const response = await world.call(instance, '/unread', upload(unread))
      expect(await response.text()).toBe('unread')
    }
    expect(await (await world.call(instance, '/unread')).text()).toBe('unread')
    expect(await settledValue(() => sent)).toBeLessThan(4 * MIB)
  })

  it('tells the source of a body when the function reads no further', async () => {
    const instance = await world.load('Mirror')
    const cancelled = Promise.withResolvers<void>()
    const body = new ReadableStream({
      pull: controller => controller.enqueue(new Uint8Array(1_024)),
      cancel: () => cancelled.resolve(),
    })
    const response = await world.call(instance, '/half', upload(body))
    expect(await response.json()).toBe(true)
    await cancelled.promise
  })

  it.each(['/failing', '/failing-stream'])(
    'fails the reading of a body that fails: %s',
    async target => {
      const instance = await world.load('Mirror')
      const left = new FezzError('CLIENT_CLOSED', 'the client has left')
      const response = await world.call(instance, target, upload(failingBody(left)))
      expect(await response.json()).toEqual({
        name: 'FezzError',
        message: 'the client has left',
        code: 'CLIENT_CLOSED',
      })
    },
  )

  it("hands back the host's own error where the function lets it pass", async () => {
    const instance = await world.load('Mirror')
    const headers = { connection: 'close' }
    const tooLarge = new FezzError('PAYLOAD_TOO_LARGE', 'the body is too large', { headers })
    const answer = world.call(instance, '/careless', upload(failingBody(tooLarge)))
    await expect(answer).rejects.toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
      status: 413,
      message: 'the body is too large',
      headers,
    })
    const next = await world.call(instance, '/careless', upload('fine'))
    expect(await next.text()).toBe('fine')
  })

  it('fails the reading of a response that fails half-way', async () => {
    const instance = await world.load('Producer')
    const response = await world.call(instance, '/broken')
    expect(response.status).toBe(200)
    await expect(response.text()).rejects.toThrow('broken half-way')
    const hash = createHash('sha256').update(patternBytes(10)).digest('hex')
    const next = await world.call(instance, '/stream?bytes=10')
    expect(await digestOf(next.body)).toEqual({ bytes: 10, sha256: hash })
  })
}

/** A body that gives some bytes and then fails with `error`. */
function failingBody(error: Error): ReadableStream<Uint8Array> {
  let chunks = 0
  return new ReadableStream({
    pull(controller) {
      if (++chunks === 4) throw error
      controller.enqueue(new Uint8Array(30_000))
    },
  })
}
