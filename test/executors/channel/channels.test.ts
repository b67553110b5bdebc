import { describe, expect, it } from 'vitest'
import { type ChannelPair, portPair, socketPair, take } from './pairs.ts'

interface Item {
  readonly number: number
  readonly bytes?: Uint8Array
}

type MakePair = () => ChannelPair<Item, Item> | Promise<ChannelPair<Item, Item>>

const numbers = (items: readonly Item[]) => items.map(({ number }) => number)
const upTo = (count: number) => Array.from({ length: count }, (_, number) => number)

describe.each<[string, MakePair]>([
  ['MessagePortChannel', portPair],
  ['SocketChannel', socketPair],
])('%s', (_name, makePair) => {
  it('delivers in order, within a turn and over many', async () => {
    const { near, far } = await makePair()
    const received = take(far, 1_000)
    for (const number of upTo(1_000)) {
      near.send({ number })
      if (number % 100 === 0) await new Promise(setImmediate)
    }
    expect(numbers(await received)).toEqual(upTo(1_000))
  })

  it('goes both ways at once', async () => {
    const { near, far } = await makePair()
    const received = Promise.all([take(near, 10), take(far, 10)])
    for (const number of upTo(10)) {
      near.send({ number })
      far.send({ number: -number })
    }
    const [atNear, atFar] = await received
    expect(numbers(atFar)).toEqual(upTo(10))
    expect(numbers(atNear)).toEqual(upTo(10).map(number => -number))
  })

  it('keeps what comes before anyone listens', async () => {
    const { near, far } = await makePair()
    const answered = take(near, 1)
    for (const number of upTo(5)) near.send({ number })
    far.send({ number: 99 })
    await answered
    near.send({ number: 5 })
    expect(numbers(await take(far, 6))).toEqual(upTo(6))
  })

  it('delivers bytes, large ones and moved ones too', async () => {
    const { near, far } = await makePair()
    const moved = new Uint8Array(5_000_000).fill(7)
    moved[4_999_999] = 8
    near.send({ number: 1, bytes: new Uint8Array([0, 255]) })
    near.send({ number: 2, bytes: moved }, moved.buffer)
    near.send({ number: 3, bytes: new Uint8Array(0) })
    const [small, large, none] = await take(far, 3)
    expect([...small!.bytes!]).toEqual([0, 255])
    expect([large!.bytes!.length, large!.bytes![0], large!.bytes!.at(-1)]).toEqual([
      5_000_000, 7, 8,
    ])
    expect(none!.bytes).toHaveLength(0)
  })

  it('is closed on both sides by either, and twice is once', async () => {
    for (const closer of ['near', 'far'] as const) {
      const pair = await makePair()
      pair[closer].close()
      pair[closer].close()
      expect(await Promise.all([pair.near.closed, pair.far.closed])).toEqual([undefined, undefined])
    }
  })

  it('ends with the cause when its listener throws, and hands it no more', async () => {
    const { near, far } = await makePair()
    const seen: Item[] = []
    near.send({ number: 0 })
    far.receive(item => {
      seen.push(item)
      if (item.number === 1) throw new Error('not that')
    })
    for (const number of [1, 2]) near.send({ number })
    expect(await far.closed).toMatchObject({ message: 'not that' })
    await near.closed
    expect(numbers(seen)).toEqual([0, 1])
  })

  it('ends with the cause when something cannot be sent', async () => {
    const { near, far } = await makePair()
    near.send({ number: (() => 1) as never })
    expect(await near.closed).toMatchObject({
      message: expect.stringContaining('could not be cloned'),
    })
    await far.closed
    near.send({ number: 2 })
  })

  it('takes what is sent after its end, and does nothing with it', async () => {
    const { near, far } = await makePair()
    const seen: Item[] = []
    far.receive(item => seen.push(item))
    near.close()
    near.send({ number: 1 })
    await far.closed
    far.send({ number: 2 })
    await new Promise(setImmediate)
    expect(seen).toEqual([])
  })
})
