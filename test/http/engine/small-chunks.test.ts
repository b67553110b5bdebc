import { describe, expect, it } from 'vitest'
import { RequestParser } from '../../../src/http/engine/parser.ts'
import { LISTENER_DEFAULTS } from '../listener-defaults.ts'

const HEAD = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'

/** All events of `text`, pushed in pieces of `size`; data as its length. */
function eventsOf(text: string, size = text.length): { events: (string | number)[]; data: string } {
  const parser = new RequestParser(LISTENER_DEFAULTS)
  const events: (string | number)[] = []
  let data = ''
  for (let at = 0; at < text.length; at += size) {
    parser.push(Buffer.from(text.slice(at, at + size), 'latin1'))
    for (let event = parser.next(); event !== 'more'; event = parser.next()) {
      const part = event === 'data' ? parser.takeData() : undefined
      events.push(part?.length ?? event)
      data += part?.toString('latin1') ?? ''
      if (event === 'error') return { events, data }
    }
  }
  return { events, data }
}

describe('small chunks', () => {
  it('that arrive together are told together', () => {
    const { events } = eventsOf(`${HEAD}${'1\r\na\r\n'.repeat(2_500)}0\r\n\r\n`)
    expect(events).toEqual(['head', 1_024, 1_024, 452, 'end'])
  })

  it('keep their order with large ones', () => {
    const large = `800\r\n${'b'.repeat(2_048)}\r\n`
    const body = `1\r\na\r\n1\r\na\r\n${large}2\r\ncd\r\n${large}1\r\ne\r\n0\r\n\r\n`
    const { events, data } = eventsOf(HEAD + body)
    expect(events).toEqual(['head', 2, 2_048, 2, 2_048, 1, 'end'])
    expect(data).toBe(`aa${'b'.repeat(2_048)}cd${'b'.repeat(2_048)}e`)
  })

  it('are told before what is wrong behind them', () => {
    const { events, data } = eventsOf(`${HEAD}1\r\na\r\n1\r\nb\r\nzz`)
    expect(events).toEqual(['head', 2, 'error'])
    expect(data).toBe('ab')
  })

  it.each([1, 2, 3, 5, 7, 64])('are the same in pieces of %i bytes', size => {
    const text = `${HEAD}${'1\r\na\r\n2\r\nbc\r\n'.repeat(50)}0\r\nA: b\r\n\r\n`
    const { events, data } = eventsOf(text, size)
    expect(data).toBe('abc'.repeat(50))
    expect(events.at(-1)).toBe('end')
  })
})
