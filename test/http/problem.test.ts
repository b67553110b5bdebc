import { describe, expect, it } from 'vitest'
import { FezzError } from '../../src/errors.ts'
import { problemMessage, problemResponse } from '../../src/http/problem.ts'

describe('a problem', () => {
  const error = new FezzError('OVERLOADED', 'Too much to do', {
    cause: new Error('secret'),
    headers: { 'retry-after': '1' },
  })
  const body = {
    type: 'about:blank',
    title: 'Service Unavailable',
    status: 503,
    code: 'OVERLOADED',
    detail: 'Too much to do',
    requestId: 'r1',
  }

  it('is a response with the code, the id and the headers of the error, not its cause', async () => {
    const response = problemResponse(error, 'r1')
    expect(response.status).toBe(503)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(response.headers.get('retry-after')).toBe('1')
    expect(response.headers.get('x-request-id')).toBe('r1')
    expect(await response.json()).toEqual(body)
  })

  it('is the same as raw HTTP, which ends the connection', () => {
    const message = problemMessage(error, 'r1')
    const [head = '', text = ''] = message.split('\r\n\r\n')
    expect(head).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n/)
    expect(head).toContain(`content-length: ${text.length}`)
    expect(head).toContain('connection: close')
    expect(head).toContain('retry-after: 1')
    expect(JSON.parse(text)).toEqual(body)
  })
})
