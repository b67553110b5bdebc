import { describe, expect, it } from 'vitest'
import { FezzError } from '../../../src/errors.ts'
import {
  fromSentError,
  fromThrown,
  toSentError,
} from '../../../src/executors/channel/sent-error.ts'

const travelled = (error: unknown) => fromSentError(structuredClone(toSentError(error)))

describe('an error that travels', () => {
  it('keeps name, message, stack, code and cause', () => {
    const cause = new RangeError('below')
    const error = Object.assign(new TypeError('above', { cause }), { code: 'E_ABOVE' })
    expect(travelled(error)).toMatchObject({
      name: 'TypeError',
      message: 'above',
      code: 'E_ABOVE',
      stack: error.stack,
      cause: { name: 'RangeError', message: 'below', stack: cause.stack },
    })
    expect(travelled(error)).toBeInstanceOf(Error)
  })

  it('is a FezzError again if it was one', () => {
    const headers = { allow: 'GET' }
    const error = travelled(new FezzError('METHOD_NOT_ALLOWED', 'no', { headers, cause: 'why' }))
    expect(error).toBeInstanceOf(FezzError)
    expect(error).toMatchObject({ code: 'METHOD_NOT_ALLOWED', status: 405, headers })
  })

  it('is a FezzError also if it was one of a subclass', () => {
    class NoSuchUser extends FezzError {}
    const error = new NoSuchUser('NOT_FOUND', 'no such user')
    Object.defineProperty(error, 'name', { value: 'NoSuchUser' })
    expect(travelled(error)).toBeInstanceOf(FezzError)
    expect(travelled(error)).toMatchObject({ code: 'NOT_FOUND', message: 'no such user' })
  })

  it('is no FezzError for a code that there is not', () => {
    const impostor = Object.assign(new Error('no'), { name: 'FezzError', code: 'toString' })
    expect(travelled(impostor)).not.toBeInstanceOf(FezzError)
  })

  it('is a DOMException again if it tells of an abort', () => {
    const reason = travelled(new DOMException('too late', 'TimeoutError'))
    expect(reason).toBeInstanceOf(DOMException)
    expect(reason).toMatchObject({ name: 'TimeoutError', message: 'too late' })
  })

  it.each([
    ['text', 'text'],
    [undefined, 'undefined'],
    [null, 'null'],
    [Symbol('odd'), 'Symbol(odd)'],
    [{ toString: 5 }, '[object Object]'],
  ])('is made of whatever was thrown: %s', (thrown, message) => {
    expect(travelled(thrown)).toMatchObject({ message })
  })

  it('is made of errors that cannot be read', () => {
    const hostile = {
      toString: () => {
        throw new Error('no')
      },
    }
    expect(travelled(Object.assign(new Error(), { message: hostile })).message).toMatch('cannot')
    expect(travelled(new Proxy(new Error(), { get: hostile.toString })).message).toMatch('cannot')
  })

  it('is made of errors whose properties are no text', () => {
    const name = () => {}
    const odd = new FezzError('NOT_FOUND', 'no', { headers: { a: name as never } })
    expect(travelled(odd)).toMatchObject({ headers: { a: '() => {}' } })
    expect(travelled(Object.assign(new Error('no'), { name })).name).toBe('() => {}')
  })

  it('is cut where it is longer than anyone reads', () => {
    const error = new Error('x'.repeat(1_000_000))
    expect(JSON.stringify(toSentError(error)).length).toBeLessThan(200_000)
  })

  it('ends where its causes go round', () => {
    const error = new Error('round')
    error.cause = error
    expect(travelled(error).cause).toMatchObject({ message: 'round' })
  })
})

describe('what a function has thrown', () => {
  const thrown = (error: unknown) => fromThrown(structuredClone(toSentError(error)))

  it('may blame the client', () => {
    const error = new FezzError('TOO_MANY_REQUESTS', 'slow down', {
      headers: { 'retry-after': '7' },
    })
    expect(thrown(error)).toBeInstanceOf(FezzError)
    expect(thrown(error)).toMatchObject({ status: 429, headers: { 'retry-after': '7' } })
  })

  it.each(['INSTANCE_EXITED', 'BAD_RESPONSE', 'INTERNAL'] as const)(
    'does not speak for its instance or the host: %s',
    code => {
      const error = thrown(new FezzError(code, 'secret'))
      expect(error).not.toBeInstanceOf(FezzError)
      expect(error).toMatchObject({ message: 'secret', cause: { code } })
    },
  )
})
