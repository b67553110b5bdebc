import { expect, test } from 'vitest'
import { FezzResponse } from '../../../src/http/web/fezz-response.ts'
import { webGlobals } from '../../../src/http/web/globals.ts'

test('text is plain text', async () => {
  const response = FezzResponse.text('Hello', { status: 201 })
  expect([response.status, response.headers.get('content-type'), await response.text()]).toEqual([
    201,
    'text/plain;charset=UTF-8',
    'Hello',
  ])
  expect(response).toBeInstanceOf(webGlobals.Response)
  expect(response).toBeInstanceOf(Response)
})

test('json is JSON, and refuses what has no form in it', async () => {
  const response = FezzResponse.json({ a: 1 }, { headers: { 'x-a': '1' } })
  expect([response.headers.get('content-type'), response.headers.get('x-a')]).toEqual([
    'application/json',
    '1',
  ])
  expect(await response.json()).toEqual({ a: 1 })
  expect(() => FezzResponse.json(undefined)).toThrow(TypeError)
})

test('error is a problem of RFC 9457', async () => {
  const response = FezzResponse.error(404, 'no such user')
  expect(response.status).toBe(404)
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  expect(await response.json()).toEqual({
    title: 'Not Found',
    status: 404,
    detail: 'no such user',
  })
})

test('the builder ends in a Response with a body or without', async () => {
  const response = new FezzResponse(201)
    .header('X-Custom', 'value')
    .header('Set-Cookie', 'a=1')
    .header('Set-Cookie', 'b=2')
    .body('content')
  expect([response.status, response.headers.get('x-custom'), await response.text()]).toEqual([
    201,
    'value',
    'content',
  ])
  expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
  const empty = new FezzResponse(204).build()
  expect([empty.status, empty.body]).toEqual([204, null])
  expect(new FezzResponse().build().status).toBe(200)
})

test('the builder refuses what cannot be sent', () => {
  expect(() => new FezzResponse(99).build()).toThrow(RangeError)
  expect(() => new FezzResponse(204).body('content')).toThrow(TypeError)
  expect(() => new FezzResponse().header('a b', '1').build()).toThrow(TypeError)
})
