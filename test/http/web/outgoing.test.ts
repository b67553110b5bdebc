import { text } from 'node:stream/consumers'
import { setImmediate } from 'node:timers/promises'
import { inspect } from 'node:util'
import * as undici from 'undici'
import { describe, expect, test, vi } from 'vitest'
import {
  adoptResponse,
  claimResponse,
  isStreaming,
  onBodySettled,
  setHeader,
  takeOutgoing,
} from '../../../src/http/web/outgoing.ts'
import { FastResponse } from '../../../src/http/web/response.ts'

const take = (value: unknown) => {
  const { status, statusText, headers, body } = takeOutgoing(adoptResponse(value))
  return { status, statusText, headers, body }
}

const stream = (...parts: string[]) => ReadableStream.from(parts.map(part => Buffer.from(part)))

describe('takeOutgoing', () => {
  test('gives text with its type and its length in bytes', () => {
    expect(take(new FastResponse('grüße'))).toEqual({
      status: 200,
      statusText: '',
      headers: ['content-type', 'text/plain;charset=UTF-8', 'content-length', '7'],
      body: 'grüße',
    })
  })

  test('gives bytes, no body and a stream as they are', () => {
    const bytes = take(
      new FastResponse(new Uint8Array([1, 2]), { status: 201, statusText: 'Made' }),
    )
    expect(bytes).toMatchObject({
      status: 201,
      statusText: 'Made',
      headers: ['content-length', '2'],
    })
    expect([...(bytes.body as Uint8Array)]).toEqual([1, 2])
    expect(take(new FastResponse(null, { status: 204 }))).toMatchObject({ headers: [], body: null })
    const body = stream('a')
    expect(take(new FastResponse(body))).toMatchObject({ headers: [], body })
  })

  test('sends the true length of a body in memory, whatever the function says', () => {
    const headers = { 'Content-Length': '99', 'content-type': 'a/b' }
    expect(take(new FastResponse('abc', { headers })).headers).toEqual([
      'content-type',
      'a/b',
      'content-length',
      '3',
    ])
  })

  test('sends the length of a body that was made a stream on the way', async () => {
    const made = () => new FastResponse('grüße')
    const touched = made()
    expect(touched.body).toBeInstanceOf(ReadableStream)
    const ways = [
      touched,
      new FastResponse(made().body, made()),
      new FastResponse(new FastResponse(made().body).body),
      new FastResponse(new FastResponse(made().body).clone().body),
      new FastResponse(new Blob(['grüße'])),
      new FastResponse(new URLSearchParams({ a: 'bc,' })),
    ]
    for (const way of ways) {
      const { headers, body } = take(way)
      expect(headers).toContain('content-length')
      expect(headers[headers.indexOf('content-length') + 1]).toBe('7')
      expect(Buffer.byteLength(await text(body as ReadableStream))).toBe(7)
    }
  })

  test('sends an empty text as no body with a status that allows none', () => {
    for (const status of [204, 205, 304]) {
      const { headers, body } = take(new FastResponse('', { status }))
      expect([headers, body]).toEqual([[], null])
    }
    expect(() => new FastResponse('a', { status: 204 })).toThrow(TypeError)
  })

  test('sends no length the function made up for a stream, and keeps that of an answer to HEAD', () => {
    const headers = { 'content-length': '99' }
    expect(take(new FastResponse(stream('a'), { headers })).headers).toEqual([])
    expect(take(new FastResponse(null, { headers })).headers).toEqual(['content-length', '99'])
  })

  test('drops the fields of the connection and those that Connection names', () => {
    const headers = {
      Connection: 'close, X-Hop',
      'Keep-Alive': 'timeout=5',
      'Proxy-Connection': 'close',
      TE: 'trailers',
      Trailer: 'x-t',
      'Transfer-Encoding': 'chunked',
      Upgrade: 'h2c',
      'X-Hop': '1',
      'X-Kept': '2',
    }
    expect(take(new FastResponse(null, { headers })).headers).toEqual(['x-kept', '2'])
  })

  test('keeps several Set-Cookie apart, also after a change of the headers', () => {
    const pairs: [string, string][] = [
      ['set-cookie', 'a=1'],
      ['set-cookie', 'b=2'],
    ]
    const response = new FastResponse(null, { headers: pairs })
    response.headers.append('Set-Cookie', 'c=3')
    expect(take(response).headers).toEqual(
      ['a=1', 'b=2', 'c=3'].flatMap(cookie => ['set-cookie', cookie]),
    )
    expect(take(new Response(null, { headers: pairs })).headers).toEqual(pairs.flat())
  })

  test('marks the body as read', async () => {
    const response = new FastResponse('a')
    takeOutgoing(response)
    expect(response.bodyUsed).toBe(true)
    expect(() => takeOutgoing(response)).toThrow(TypeError)
    expect(() => response.clone()).toThrow(TypeError)
    await expect(response.text()).rejects.toThrow(TypeError)
  })

  test('refuses a body that was read or is being read', async () => {
    const read = new FastResponse('a')
    await read.text()
    expect(() => takeOutgoing(read)).toThrow(TypeError)
    const locked = new FastResponse(stream('a'))
    locked.body!.getReader()
    expect(() => takeOutgoing(locked)).toThrow(TypeError)
  })

  test('a body that was cloned is still whole', async () => {
    const text = new FastResponse('abc')
    text.clone()
    expect(take(text).body).toBe('abc')
    const streaming = new FastResponse(stream('a', 'b'))
    const copy = streaming.clone()
    const { body } = take(streaming)
    expect(await new Response(body as ReadableStream).text()).toBe('ab')
    expect(await copy.text()).toBe('ab')
  })

  test('never sends a control character', () => {
    const headers = { 'x-a': 'a\x01b' }
    expect(() => new FastResponse('a', { headers })).toThrow(TypeError)
    const changed = new FastResponse('a')
    changed.headers.set('x-a', 'a\x01b')
    expect(() => takeOutgoing(changed)).toThrow(TypeError)
    expect(() => adoptResponse(new Response('a', { headers }))).toThrow(/cannot be sent/)
  })
})

describe('adoptResponse', () => {
  test('returns a fast Response itself and wraps a platform one', async () => {
    const fast = new FastResponse('a')
    expect(adoptResponse(fast)).toBe(fast)
    const adopted = adoptResponse(new Response('a', { status: 201, headers: { 'x-a': '1' } }))
    expect([adopted.status, adopted.headers.get('x-a'), await adopted.text()]).toEqual([
      201,
      '1',
      'a',
    ])
  })

  test('takes a redirect of the function', () => {
    expect(take(FastResponse.redirect('http://fezz.test/there'))).toMatchObject({
      status: 302,
      headers: ['location', 'http://fezz.test/there'],
      body: null,
    })
  })

  test.each([
    [undefined, 'returned undefined, not a Response'],
    [null, 'returned null, not a Response'],
    ['text', 'returned a string, not a Response'],
    [new undici.Response('a'), 'returned a Response of another library, not a Response'],
    [new Date(), 'returned an object of class Date, not a Response'],
    [Object.create(null), 'returned an object of class null, not a Response'],
    [Response.error(), 'returned Response.error(), which cannot be sent'],
  ])('refuses %o', (value, message) => {
    expect(() => adoptResponse(value)).toThrow(
      expect.objectContaining({ code: 'FUNCTION_ERROR', message }),
    )
  })

  test('refuses a body that was read', async () => {
    for (const response of [new FastResponse('a'), new Response('a')]) {
      await response.text()
      expect(() => adoptResponse(response)).toThrow(/already read/)
    }
  })

  test('a response without a body can be returned again, each time with headers of its own', () => {
    const shared = new FastResponse(null, { status: 404, headers: { 'x-a': '1' } })
    const [first, second] = [adoptResponse(shared), adoptResponse(shared)]
    setHeader(first, 'x-request-id', 'one')
    setHeader(second, 'x-request-id', 'two')
    expect(takeOutgoing(first).headers).toEqual(['x-a', '1', 'x-request-id', 'one'])
    expect(takeOutgoing(second).headers).toEqual(['x-a', '1', 'x-request-id', 'two'])
    expect([...shared.headers]).toEqual([['x-a', '1']])
  })
})

describe('setHeader', () => {
  test('replaces all of that name and leaves the rest', () => {
    const response = new FastResponse('a', {
      headers: [
        ['X-Request-Id', 'a'],
        ['content-type', 'a/b'],
        ['x-request-id', 'b'],
      ],
    })
    setHeader(response, 'x-request-id', 'host')
    expect(takeOutgoing(response).headers).toEqual([
      'x-request-id',
      'host',
      'content-type',
      'a/b',
      'content-length',
      '1',
    ])
  })

  test('does not reach the headers that the function holds', () => {
    const platform = new Response('a')
    const given = new Headers({ 'x-a': '1' })
    const response = new FastResponse('a', { headers: given })
    const held = response.headers
    setHeader(response, 'x-request-id', 'host')
    setHeader(adoptResponse(platform), 'x-request-id', 'host')
    takeOutgoing(response)
    expect([held, given, platform.headers].map(headers => headers.has('x-request-id'))).toEqual([
      false,
      false,
      false,
    ])
    expect(held.has('content-length')).toBe(false)
  })

  test('is seen by whoever reads the headers after it, whatever the body was made of', () => {
    const bodies = ['a', new Blob(['a']), stream('a'), null]
    for (const made of [...bodies.map(body => new FastResponse(body)), new Response('a')]) {
      void made.body
      const response = claimResponse(made)
      setHeader(response, 'x-request-id', 'host')
      expect(response.headers.get('x-request-id')).toBe('host')
      response.headers.set('x-a', '1')
      expect(takeOutgoing(response).headers).toEqual(expect.arrayContaining(['host', 'x-a']))
    }
  })

  test('keeps what the function changed in its headers', () => {
    const response = new FastResponse(null)
    response.headers.set('x-a', '1')
    setHeader(response, 'x-b', '2')
    expect(takeOutgoing(response).headers).toEqual(['x-a', '1', 'x-b', '2'])
  })
})

describe('onBodySettled', () => {
  const settles = (response: FastResponse) => {
    const callback = vi.fn()
    onBodySettled(response, callback)
    return callback
  }

  test('isStreaming tells a stream from memory and nothing', () => {
    const streaming = [
      new FastResponse(stream('a')),
      adoptResponse(new Response('a')),
      new FastResponse(new Blob(['a'])),
      new FastResponse('a'),
      new FastResponse(new Uint8Array(1)),
      new FastResponse(),
    ].map(isStreaming)
    expect(streaming).toEqual([true, true, true, false, false, false])
  })

  test('is called once when the listener has read all', async () => {
    const response = new FastResponse(stream('a', 'b'))
    const callback = settles(response)
    const reader = (takeOutgoing(response).body as ReadableStream<Uint8Array>).getReader()
    await reader.read()
    await reader.read()
    expect(callback).not.toHaveBeenCalled()
    expect((await reader.read()).done).toBe(true)
    expect(callback).toHaveBeenCalledOnce()
  })

  test.each<[string, (response: FastResponse) => Promise<unknown>]>([
    ['text()', response => response.text()],
    ['blob()', response => response.blob()],
    ['body', response => text(response.body!)],
    ['a platform Response', response => new Response(response.body, response).text()],
    ['a clone beside it', response => Promise.all([response.clone().text(), response.text()])],
  ])('is called once when read through %s', async (_how, read) => {
    for (const response of [
      new FastResponse(stream('a', 'b')),
      adoptResponse(new Response('ab')),
    ]) {
      const callback = settles(response)
      expect(callback).not.toHaveBeenCalled()
      await read(response)
      expect(callback).toHaveBeenCalledOnce()
    }
  })

  test('is called once when the stream fails, and the reader sees the error', async () => {
    const broken = new ReadableStream({
      pull() {
        throw new RangeError('broken')
      },
    })
    const response = new FastResponse(broken)
    const callback = settles(response)
    await expect(response.text()).rejects.toThrow('broken')
    expect(callback).toHaveBeenCalledOnce()
  })

  test('is called once when cancelled while a chunk is awaited, and the source hears of it', async () => {
    const cancel = vi.fn()
    const response = new FastResponse(new ReadableStream({ cancel }))
    const callback = settles(response)
    const reader = (takeOutgoing(response).body as ReadableStream).getReader()
    const waiting = reader.read()
    await reader.cancel('left')
    expect((await waiting).done).toBe(true)
    expect(cancel).toHaveBeenCalledExactlyOnceWith('left')
    expect(callback).toHaveBeenCalledOnce()
  })

  test('a chunk that is not bytes fails the body and cancels the source', async () => {
    const cancel = vi.fn()
    const source = new ReadableStream({
      pull: controller => controller.enqueue('text'),
      cancel,
    })
    const response = new FastResponse(source)
    const callback = settles(response)
    const reader = (takeOutgoing(response).body as ReadableStream).getReader()
    await expect(reader.read()).rejects.toThrow(TypeError)
    expect(cancel).toHaveBeenCalledOnce()
    expect(callback).toHaveBeenCalledOnce()
  })

  test('reads nothing ahead of its reader', async () => {
    let pulled = 0
    const source = new ReadableStream(
      {
        pull(controller) {
          pulled++
          controller.enqueue(new Uint8Array(1))
        },
      },
      { highWaterMark: 0 },
    )
    const response = new FastResponse(source)
    settles(response)
    const reader = (takeOutgoing(response).body as ReadableStream).getReader()
    await setImmediate()
    expect(pulled).toBe(0)
    await reader.read()
    await setImmediate()
    expect(pulled).toBe(1)
  })
})

test('a response can be printed and is still whole', () => {
  const response = new FastResponse('a', { status: 201 })
  expect(inspect(response)).toContain('status: 201')
  expect(takeOutgoing(response).status).toBe(201)
})
