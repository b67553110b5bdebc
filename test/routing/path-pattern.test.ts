import { describe, expect, it } from 'vitest'
import { FezzError } from '../../src/errors.ts'
import { parsePath } from '../../src/routing/path-pattern.ts'

function refusal(path: unknown): string {
  try {
    parsePath(path as string, 'function "f"')
  } catch (error) {
    expect(error).toBeInstanceOf(FezzError)
    expect(error).toMatchObject({ code: 'INVALID_MANIFEST' })
    return (error as FezzError).message
  }
  throw new Error(`${String(path)} was accepted`)
}

describe('parsePath', () => {
  it.each([
    '/',
    '/users',
    '/users/',
    '/users/:id',
    '/users/:user_id2/posts/:_p',
    '/*',
    '/api/*',
    '/c++/a.b~c_d-e/$x&y,z;=@!',
    '/caf%C3%A9',
    '/café/日本/👩‍💻',
    '/a%20b',
    '/items%3Abatch',
    '/.well-known/x',
    '/...',
  ])('accepts %s', path => {
    expect(() => parsePath(path)).not.toThrow()
  })

  it.each([
    ['users', 'must start with "/"; write "/users"'],
    ['', 'must start with "/"'],
    ['*', 'must start with "/"'],
    [7, 'is not a string'],
    [undefined, 'is not a string'],
    ['/a//b', 'empty segment'],
    ['//', 'empty segment'],
    ['/a/*/b', '"*" before its end'],
    ['/a/*.js', '"*" in "*.js"'],
    ['/a%2Ab', '"*" in "a%2Ab"'],
    ['/:a/:a', 'names ":a" twice'],
    ['/:', '":" in ":"'],
    ['/:1', '":" in ":1"'],
    ['/:id.json', '":" in ":id.json"'],
    ['/user-:id', '":" in "user-:id"'],
    ['/:id(\\d+)', '":" in ":id(\\\\d+)"'],
    ['/:id?', '":" in ":id?"'],
    ['/a?b=1', 'character in "a?b=1"'],
    ['/a#b', 'character in "a#b"'],
    ['/(a)', 'character in "(a)"'],
    ['/{id}', 'character in "{id}"'],
    ['/a b', 'character in "a b"'],
    ['/a\u00a0b', 'character in'],
    ['/a\tb', 'character in'],
    ['/a\u0085b', 'character in'],
    ['/a\ud800', 'character in'],
    ['/a\\b', 'character in'],
    ['/100%', 'character in "100%"'],
    ['/%zz', 'character in "%zz"'],
    ['/%FF', 'not UTF-8'],
    ['/a/../b', 'dot segment'],
    ['/./a', 'dot segment'],
    ['/a/%2e%2E', 'dot segment'],
  ])('refuses %j', (path, problem) => {
    const message = refusal(path)
    expect(message).toContain('function "f": path ')
    expect(message).toContain(problem)
    if (typeof path === 'string') expect(message).toContain(JSON.stringify(path))
  })

  it('takes every spelling of a literal for the same path', () => {
    const literals = ['/café', '/caf%C3%A9', '/caf%c3%a9', '/%63af%C3%A9'].map(
      path => parsePath(path).literal,
    )
    expect(new Set(literals)).toEqual(new Set(['/café']))
  })
})
