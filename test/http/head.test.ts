import { describe, expect, it } from 'vitest'
import { readHead } from '../../src/http/head.ts'

describe('readHead', () => {
  it('gathers what decides about authority and framing, in any case', () => {
    expect(readHead(['Host', 'a', 'Accept', '*/*'], false, 256)).toEqual({
      host: 'a',
      bodyBytes: 0,
      hasUpgrade: false,
      webSocket: false,
    })
    expect(readHead(['HOST', 'a', 'CONTENT-length', '5'], false, 256).bodyBytes).toBe(5)
    expect(readHead(['tRANSFER-encoding', 'Chunked'], false, 256).bodyBytes).toBe(-1)
    expect(readHead([], false, 256).host).toBeUndefined()
  })

  it('takes an Upgrade for a WebSocket only when Connection names it', () => {
    const upgrade = ['Upgrade', 'h2c, WebSocket']
    expect(readHead(upgrade, false, 256)).toMatchObject({ hasUpgrade: true, webSocket: false })
    expect(readHead([...upgrade, 'Connection', 'keep-alive, UPGRADE'], false, 256).webSocket).toBe(
      true,
    )
    expect(readHead(['Upgrade', 'h2c', 'Connection', 'Upgrade'], false, 256).webSocket).toBe(false)
  })

  it.each([
    [['Host', 'a', 'host', 'a'], 'BAD_REQUEST'],
    [['Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked'], 'BAD_REQUEST'],
    [['Transfer-Encoding', 'gzip, chunked'], 'NOT_IMPLEMENTED'],
    [Array.from({ length: 514 }, () => 'x'), 'HEADERS_TOO_LARGE'],
  ])('refuses %j with %s', (rawHeaders, code) => {
    expect(() => readHead(rawHeaders, false, 256)).toThrow(expect.objectContaining({ code }))
  })

  it('refuses a transfer coding in HTTP/1.0', () => {
    expect(() => readHead(['Transfer-Encoding', 'chunked'], true, 256)).toThrow(
      expect.objectContaining({ code: 'BAD_REQUEST' }),
    )
  })
})
