import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type ParserLimits, RequestParser } from '../../../src/http/engine/parser.ts'
import { generateStream } from '../../fuzz/http/generate.ts'
import { LIMITS } from '../../fuzz/http/limits.ts'
import { Random } from '../../fuzz/http/random.ts'
import { byteByByte, cut } from '../../fuzz/http/split.ts'
import { tell } from './tell.ts'

const TINY: ParserLimits = { maxHeaderBytes: 96, maxHeaders: 3, maxTargetBytes: 8 }

/** Pieces that requests are made of, so that a failure shrinks to the few that matter. */
const PIECES = [
  'GET / HTTP/1.1\r\n',
  'POST /long-path HTTP/1.0\r\n',
  'PUT /\xff HTTP/1.1\r\n',
  'GET /\r\n',
  'Host: a.test\r\n',
  'X-Request-Id: 7\r\n',
  'Connection: close\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: 0\r\n',
  'Transfer-Encoding: chunked\r\n',
  'X: \t y \t\r\n',
  'X:\r\n',
  '\r\n',
  '\r\n',
  '\r\n',
  'hello',
  '5\r\nhello\r\n',
  '5;a="b\\"c";d\r\nhello\r\n',
  '0\r\n',
  '\r',
  '\n',
  ' ',
  '\0',
]
const pieces = fc
  .array(fc.constantFrom(...PIECES), { maxLength: 16 })
  .map(list => Buffer.from(list.join(''), 'latin1'))
const generated = fc.noShrink(fc.nat()).map(seed => generateStream(new Random(seed)))
const streams = fc.oneof(pieces, generated)
const limits = fc.constantFrom(LIMITS, TINY)
const cuts = fc.array(fc.nat(1_000), { maxLength: 20 })

function show(bytes: Buffer): string {
  return JSON.stringify(bytes.toString('latin1'))
}

it('tells the same wherever the bytes are cut', () => {
  fc.assert(
    fc.property(streams, limits, cuts, (bytes, limits, cuts) => {
      const whole = tell([bytes], limits)
      const places = cuts.map(place => place % (bytes.length + 1))
      expect(tell(cut(bytes, places), limits), show(bytes)).toEqual(whole)
      if (bytes.length > 4_000) return
      expect(tell(byteByByte(bytes), limits), show(bytes)).toEqual(whole)
    }),
    { numRuns: 2_000 },
  )
})

it('gives the bytes behind a message to who takes them', () => {
  fc.assert(
    fc.property(streams, cuts, fc.nat(3), (bytes, cuts, which) => {
      const { messages } = tell([bytes], LIMITS)
      const end = messages[which]?.end
      if (end === undefined) return
      const parser = new RequestParser(LIMITS)
      const parts = cut(
        bytes,
        cuts.map(place => place % (bytes.length + 1)),
      )
      let complete = 0
      while (complete <= which) {
        const event = parser.next()
        if (event === 'more') parser.push(parts.shift()!)
        if (event === 'end' || (event === 'head' && parser.takeHead().bodyBytes === 0)) complete++
      }
      const rest = Buffer.concat([parser.takeRest(), ...parts])
      expect(rest.equals(bytes.subarray(end)), show(bytes)).toBe(true)
      expect(parser.held).toBe(0)
    }),
    { numRuns: 1_000 },
  )
})

it('what is told whole is not held: its buffer may be taken away', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 50 }), fc.boolean(), (body, isChunked) => {
      const framing = isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`
      const parser = new RequestParser(LIMITS)
      parser.push(Buffer.from(`POST / HTTP/1.1\r\n${framing}\r\n\r\n`))
      expect(parser.next()).toBe('head')
      if (isChunked) parser.push(Buffer.from(`${body.length.toString(16)}\r\n`))
      expect(parser.next()).toBe('more')
      parser.push(Buffer.from(new Uint8Array(body).buffer))
      expect(parser.next()).toBe('data')
      const { buffer } = parser.takeData()
      structuredClone(buffer, { transfer: [buffer as ArrayBuffer] })
      if (isChunked) parser.push(Buffer.from('\r\n0\r\n\r\n'))
      expect(parser.next()).toBe('end')
    }),
  )
})
