import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FrameReader, frameHead, MAX_FRAME_BYTES } from '../../../src/executors/channel/frames.ts'

/** `bytes` cut at these places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const borders = [0, ...[...places].sort((a, b) => a - b), bytes.length]
  return borders.slice(1).map((end, at) => bytes.subarray(borders[at], end))
}

describe('FrameReader', () => {
  it('finds the same frames wherever the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 20 }),
        fc.array(fc.nat(1_200), { maxLength: 40 }),
        (payloads, places) => {
          const stream = Buffer.concat(payloads.flatMap(each => [frameHead(each.length), each]))
          const found: Buffer[] = []
          const reader = new FrameReader(payload => found.push(payload))
          for (const piece of cut(
            stream,
            places.filter(place => place <= stream.length),
          )) {
            reader.push(piece)
          }
          expect(found.map(each => [...each])).toEqual(payloads.map(each => [...each]))
        },
      ),
    )
  })

  it('finds frames that come byte by byte', () => {
    const found: string[] = []
    const reader = new FrameReader(payload => found.push(payload.toString()))
    for (const byte of Buffer.concat([frameHead(3), Buffer.from('abc'), frameHead(0)])) {
      reader.push(Buffer.of(byte))
    }
    expect(found).toEqual(['abc', ''])
  })

  it('refuses a length that nobody means', () => {
    const reader = new FrameReader(() => {})
    expect(() => reader.push(Buffer.from('GET / HTTP/1.1'))).toThrow('longer than')
    expect(() => frameHead(MAX_FRAME_BYTES + 1)).toThrow('longer than')
    expect(frameHead(MAX_FRAME_BYTES)).toHaveLength(4)
  })
})
