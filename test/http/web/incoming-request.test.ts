import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import {
  abortRequest,
  headerOf,
  IncomingRequest,
  isIncoming,
  pathOf,
  platformRequest,
  sourceOf,
  toIncoming,
} from '../../../src/http/web/incoming-request.ts'
import { MemorySource } from '../../helpers/memory-source.ts'

test('nothing of the source is touched before the function asks', () => {
  const source = new MemorySource({ method: 'POST', body: 'x' })
  const request = new IncomingRequest(source)
  expect([request.method, request.url, request.headers.get('a')]).toEqual([
    'POST',
    'http://fezz.test/',
    null,
  ])
  expect(source.reads).toBe(0)
  expect(source.listeners).toHaveLength(0)
})

test('the body is asked for once, whichever way it is read', async () => {
  const source = new MemorySource({ method: 'POST', body: 'x' })
  const request = new IncomingRequest(source)
  const copy = request.clone()
  expect([await copy.text(), await request.text()]).toEqual(['x', 'x'])
  expect(source.reads).toBe(1)
})

test('GET and HEAD have no body even when the client sent one', async () => {
  for (const method of ['GET', 'HEAD']) {
    const source = new MemorySource({ method, body: 'x' })
    const request = new IncomingRequest(source)
    expect(await request.text()).toBe('')
    expect([request.bodyUsed, request.body, source.reads]).toEqual([false, null, 0])
  }
})

test.each([
  ['from the pool', Buffer.from('abc')],
  ['of its own', Buffer.from(new Uint8Array([0x61, 0x62, 0x63]).buffer)],
])('bytes() of a Buffer %s are a plain Uint8Array and no more than the body', async (_, buffer) => {
  const source = new MemorySource({ method: 'POST', body: 'x' })
  source.body!.bytes = async () => buffer as Uint8Array<ArrayBuffer>
  const bytes = await new IncomingRequest(source).bytes()
  expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype)
  expect([...bytes, bytes.buffer.byteLength]).toEqual([0x61, 0x62, 0x63, 3])
})

test('an error of the source is what reading rejects with', async () => {
  const source = new MemorySource({ method: 'POST', body: 'x' })
  source.body!.bytes = () => Promise.reject(new RangeError('too large'))
  await expect(new IncomingRequest(source).json()).rejects.toThrow('too large')
})

test('signal aborts when the client leaves, also if it left before the first read', () => {
  const source = new MemorySource()
  const early = new IncomingRequest(source).signal
  expect(early.aborted).toBe(false)
  source.leave()
  expect(early.aborted).toBe(true)
  const late = new IncomingRequest(source).signal
  expect([late.aborted, (late.reason as Error).name]).toEqual([true, 'AbortError'])
})

test('abortRequest gives its reason to a signal read before and after', () => {
  const reason = new Error('deadline')
  const read = new IncomingRequest(new MemorySource())
  const { signal } = read
  abortRequest(read, reason)
  const unread = new IncomingRequest(new MemorySource())
  abortRequest(unread, reason)
  abortRequest(unread, new Error('later'))
  expect([signal.reason, unread.signal.reason]).toEqual([reason, reason])
  const plain = new IncomingRequest(new MemorySource())
  abortRequest(plain)
  expect((plain.signal.reason as Error).name).toBe('AbortError')
})

test('a clone and a platform Request abort with the request they come from', () => {
  const source = new MemorySource()
  const request = new IncomingRequest(source)
  const signals = [request.clone().signal, new Request(platformRequest(request)).signal]
  source.leave()
  expect(signals.map(signal => signal.aborted)).toEqual([true, true])
})

test('pathOf and headerOf read the source as it is', () => {
  const rawHeaders = ['Host', 'a', 'X-A', '1', 'x-a', '2', 'COOKIE', 'a=1', 'Cookie', 'b=2']
  const request = new IncomingRequest(new MemorySource({ target: '/a%20b?c=/d', rawHeaders }))
  expect(pathOf(request)).toBe('/a%20b')
  expect(pathOf(new IncomingRequest(new MemorySource({ target: '/?' })))).toBe('/')
  request.headers.set('host', 'changed')
  expect(headerOf(request, 'host')).toBe('a')
  expect(headerOf(request, 'x-a')).toBe('1, 2')
  expect(headerOf(request, 'cookie')).toBe('a=1; b=2')
  expect(headerOf(request, 'x-b')).toBeUndefined()
})

test('toIncoming wraps a platform Request once and normalises its target', async () => {
  const platform = new Request('https://FEZZ.test:443/a/../b?c#d', {
    method: 'PUT',
    headers: { 'X-A': '1' },
    body: 'content',
  })
  const request = toIncoming(platform)
  expect(toIncoming(request)).toBe(request)
  expect([request.method, request.url]).toEqual(['PUT', 'https://fezz.test/b?c'])
  expect(sourceOf(request)).toMatchObject({
    scheme: 'https',
    authority: 'fezz.test',
    target: '/b?c',
  })
  expect(headerOf(request, 'x-a')).toBe('1')
  expect(await request.text()).toBe('content')
  expect(platform.bodyUsed).toBe(true)
})

test('toIncoming streams the body and follows the signal of a platform Request', async () => {
  const controller = new AbortController()
  const request = toIncoming(
    new Request('http://fezz.test/', {
      method: 'POST',
      body: 'content',
      signal: controller.signal,
    }),
  )
  expect(await new Response(request.body).text()).toBe('content')
  const { signal } = request
  controller.abort()
  expect(signal.aborted).toBe(true)
})

test('toIncoming refuses what cannot be served', async () => {
  const read = new Request('http://fezz.test/', { method: 'POST', body: 'x' })
  await read.text()
  expect(() => toIncoming(read)).toThrow(TypeError)
  expect(() => toIncoming(new Request('ftp://fezz.test/'))).toThrow(/neither http nor https/)
})

test('platformRequest shares the body with the request it was made from', async () => {
  const request = new IncomingRequest(new MemorySource({ method: 'POST', body: 'x' }))
  const platform = platformRequest(request)
  expect([isIncoming(request), isIncoming(platform)]).toEqual([true, false])
  expect(platformRequest(platform)).toBe(platform)
  expect(await new Request(platform).text()).toBe('x')
  expect(request.bodyUsed).toBe(true)
})

test('a request and its headers can be printed', () => {
  const request = new IncomingRequest(new MemorySource({ rawHeaders: ['X-A', '1'] }))
  expect(inspect(request.headers)).toMatch(/x-a/i)
  expect(inspect(request)).toContain('http://fezz.test/')
})
