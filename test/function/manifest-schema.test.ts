import { describe, expect, it } from 'vitest'
import { FezzError } from '../../src/errors.ts'
import type { ManifestInput } from '../../src/function/manifest.ts'
import { checkManifest, deriveManifest } from '../../src/function/manifest-schema.ts'

const hello = { id: 'hello', path: '/hello' }
const check = (more: Record<string, unknown>) => checkManifest({ ...hello, ...more }, 'class Hello')

function refusal(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(FezzError)
    expect((error as FezzError).code).toBe('INVALID_MANIFEST')
    return (error as FezzError).message
  }
  throw new Error('it was not refused')
}

describe('checkManifest', () => {
  it('fills in every default of the reference', () => {
    expect(checkManifest({ id: 'hello' }, 'hello.ts')).toEqual({
      id: 'hello',
      version: 'v1',
      description: '',
      routes: [{ methods: ['GET'], path: '/', priority: 0 }],
      preload: false,
      env: {},
      execution: {},
    })
  })

  it('keeps what is declared', () => {
    const declared: ManifestInput = {
      id: 'Users.v2',
      version: '1.0.0+build',
      description: 'All users',
      method: ['get', 'POST', 'Get'],
      path: '/users/:id',
      host: 'API.example.com',
      priority: -5,
      timeout: '500ms',
      idleTtl: 60,
      preload: true,
      maxConcurrency: 10,
      env: { GREETING: 'hi' },
    }
    expect(checkManifest(declared, 'users.ts')).toEqual({
      id: 'Users.v2',
      version: '1.0.0+build',
      description: 'All users',
      routes: [
        { methods: ['GET', 'POST'], path: '/users/:id', host: 'api.example.com', priority: -5 },
      ],
      timeoutMs: 500,
      idleTtlMs: 60_000,
      preload: true,
      maxConcurrency: 10,
      env: { GREETING: 'hi' },
      execution: {},
    })
  })

  it('takes a number for seconds', () => {
    expect(check({ timeout: 2.5 }).timeoutMs).toBe(2_500)
  })

  it('takes undefined for absent', () => {
    const absent = { host: undefined, timeout: undefined, routes: undefined, env: undefined }
    expect(check(absent)).toEqual(check({}))
    const route = { path: '/a', method: undefined, host: undefined, priority: undefined }
    expect(check({ routes: [route] })).toEqual(check({ routes: ['/a'] }))
  })

  it.each(['ANY', 'any', ['GET', 'any']])('takes %j for every method', method => {
    expect(check({ method }).routes[0]?.methods).toBe('ANY')
  })

  it('adds routes to the path, which inherit what they do not say', () => {
    const { routes } = check({
      method: 'POST',
      host: 'a.example.com',
      priority: 2,
      routes: [
        '/hi',
        { path: '/hey', method: 'any', priority: 0 },
        { path: '/ho', host: '*.b.com' },
      ],
    })
    expect(routes).toEqual([
      { methods: ['POST'], path: '/hello', host: 'a.example.com', priority: 2 },
      { methods: ['POST'], path: '/hi', host: 'a.example.com', priority: 2 },
      { methods: 'ANY', path: '/hey', host: 'a.example.com', priority: 0 },
      { methods: ['POST'], path: '/ho', host: '*.b.com', priority: 2 },
    ])
  })

  it('has only the routes where there is no path', () => {
    expect(checkManifest({ id: 'a', routes: ['/a', '/b'] }, 'a.ts').routes).toHaveLength(2)
  })

  it('returns a frozen record that the declaration can no longer change', () => {
    const env = { A: 'before' }
    const manifest = check({ env })
    env.A = 'after'
    expect(manifest.env).toEqual({ A: 'before' })
    for (const part of [manifest, manifest.env, manifest.routes, ...manifest.routes]) {
      expect(Object.isFrozen(part)).toBe(true)
    }
  })

  describe('refuses, naming function, field and value,', () => {
    it.each<[string, Record<string, unknown>, string]>([
      ['a method that does not exist', { method: 'Fetch' }, 'method "Fetch" is not known; write'],
      ['one in a list', { method: ['GET', 'FETCH'] }, 'method "FETCH" is not known; write'],
      ['an empty list of methods', { method: [] }, 'method is empty; name a method'],
      ['a method that is no text', { method: 7 }, 'method 7 is not known; write'],
      ['a timeout that is none', { timeout: 'soon' }, 'timeout "soon" is not a duration; write'],
      ['a negative timeout', { timeout: -1 }, 'timeout -1 is not a duration; write'],
      ['no time at all', { timeout: 0 }, 'timeout 0 is too short; write at least "1ms"'],
      ['an idle time of nothing', { idleTtl: '0s' }, 'idleTtl "0s" is too short; write'],
      ['a timeout of the wrong type', { timeout: {} }, 'timeout {} is not a duration; write'],
      ['a version with spaces', { version: 'v 1' }, 'version "v 1" is not valid; write'],
      ['a description that is no text', { description: 1 }, 'description 1 is not valid; write'],
      ['a broken priority', { priority: 1.5 }, 'priority 1.5 is not valid; write a whole number'],
      [
        'a preload that is no boolean',
        { preload: 'yes' },
        'preload "yes" is not valid; write true',
      ],
      ['no concurrency', { maxConcurrency: 0 }, 'maxConcurrency 0 is not valid; write 1 or more'],
      ['negative concurrency', { maxConcurrency: -3 }, 'maxConcurrency -3 is not valid; write 1'],
      ['half a request', { maxConcurrency: 0.5 }, 'maxConcurrency 0.5 is not valid; write a whole'],
      ['routes that are no list', { routes: '/a' }, 'routes "/a" is not valid; write a list'],
      ['a route that is none', { routes: [5] }, 'routes[0] 5 is not valid; write'],
      ['a path without a leading slash', { path: 'hi' }, 'path "hi" must start with "/"; write'],
      ['a path that is no text', { path: 5 }, 'path 5 is not valid; write'],
      ['a "*" in the middle', { path: '/a/*/b' }, 'path "/a/*/b" has "*" before its end'],
      [
        'a route without a path',
        { routes: [{ method: 'GET' }] },
        'routes[0].path is missing; write',
      ],
      ['a host with a path', { host: 'a.com/x' }, 'host "a.com/x" is not a host name; write'],
      ['a host that is no text', { host: 5 }, 'host 5 is not valid; write'],
      [
        'a bad variable name',
        { env: { 'A-B': 'x' } },
        'env.A-B is not a name for a variable; write',
      ],
      ['a variable that is no text', { env: { PORT: 80 } }, 'env.PORT is of type number, not text'],
      ['variables that are no record', { env: 'A=b' }, 'env is not an object; write'],
    ])('%s', (_, more, message) => {
      expect(refusal(() => check(more))).toContain(`Function "hello" (class Hello): ${message}`)
    })

    it('a bad path and a bad host among the routes', () => {
      expect(refusal(() => check({ routes: ['/a', 'b'] }))).toContain(
        'Function "hello" (class Hello), routes[1]: path "b" must start with "/"; write "/b"',
      )
      expect(refusal(() => check({ routes: [{ path: '/a', host: 'a b' }] }))).toContain(
        'Function "hello" (class Hello), routes[0]: host "a b"',
      )
    })

    it.each([undefined, '', 'a b', '../etc', '.hidden', '-x', 'a/b', 'x'.repeat(129), 5, null])(
      'the id %o',
      id => {
        const message = refusal(() => checkManifest({ ...hello, id }, 'class Hello'))
        expect(message).toMatch(/^Function of class Hello: id .+; write at most 128 letters/)
        expect(message).toContain(id === undefined ? 'missing' : String(id).slice(0, 70))
      },
    )

    it.each([null, undefined, 'hello', 5])('the declaration %o', input => {
      expect(refusal(() => checkManifest(input, 'hello.ts'))).toMatch(
        /^Function of hello\.ts: .+; write an object, such as/,
      )
    })
  })

  it('names the field that an unknown one was probably meant to be', () => {
    expect(refusal(() => check({ timout: 5 }))).toBe(
      'Function "hello" (class Hello): timout is not a field; did you mean "timeout"?',
    )
    expect(refusal(() => check({ maxconcurrency: 5 }))).toContain('did you mean "maxConcurrency"?')
    expect(refusal(() => check({ routes: [{ path: '/a', methods: 'GET' }] }))).toBe(
      'Function "hello" (class Hello): routes[0].methods is not a field; did you mean "method"?',
    )
  })

  it('lists the known fields when none is near', () => {
    expect(refusal(() => check({ colour: 'red' }))).toContain(
      'colour is not a field; there are id, version, description, method, path,',
    )
  })

  it('never shows the value of a variable', () => {
    const secret = 'hunter2'
    expect(refusal(() => check({ env: { PASSWORD: [secret] } }))).not.toContain(secret)
    expect(refusal(() => check({ env: { PASSWORD: `${secret}\0` } }))).not.toContain(secret)
    expect(refusal(() => check({ env: `PASSWORD=${secret}` }))).not.toContain(secret)
    expect(refusal(() => check({ env: { 'A B': secret } }))).not.toContain(secret)
  })

  describe('two routes that match the same requests', () => {
    it.each([
      ['are the same', ['/hello']],
      ['are the same but for their encoding', ['/h%65llo']],
      ['differ in the names of their captures', ['/a/:x', '/a/:y']],
      ['share a method', [{ path: '/hello', method: ['POST', 'GET'] }]],
      ['share a method through ANY', [{ path: '/hello', method: 'ANY' }]],
      ['differ in priority', [{ path: '/hello', priority: 9 }]],
    ])('are refused when they %s', (_, routes) => {
      expect(refusal(() => check({ routes }))).toMatch(
        /^Function "hello" \(class Hello\): routes "GET \/.+" and ".+" match the same requests/,
      )
    })

    it.each([
      ['methods', [{ path: '/hello', method: 'POST' }]],
      ['hosts', [{ path: '/hello', host: 'a.com' }]],
      ['GET and HEAD', [{ path: '/hello', method: 'HEAD' }]],
      ['shapes', ['/hello/:name', '/hello/:name/*', '/hello/*']],
    ])('are fine when they differ in their %s', (_, routes) => {
      expect(() => check({ routes })).not.toThrow()
    })
  })

  it('refuses an empty list of routes without a path', () => {
    expect(refusal(() => checkManifest({ id: 'a', routes: [] }, 'a.ts'))).toBe(
      `Function "a" (a.ts): routes is empty and there is no path; write path: '/hello'`,
    )
  })
})

describe('deriveManifest', () => {
  it('makes id and routes of the name of the file', () => {
    const { id, routes } = deriveManifest('/some/where/hello.world.ts')
    expect(id).toBe('hello.world')
    expect(routes).toEqual([
      { methods: 'ANY', path: '/hello.world', priority: 0 },
      { methods: 'ANY', path: '/hello.world/*', priority: 0 },
    ])
  })

  it('follows what is declared', () => {
    expect(deriveManifest('a.ts', { id: 'b' }).routes[1]?.path).toBe('/b/*')
    expect(deriveManifest('a.ts', { method: 'POST' }).routes[0]?.methods).toEqual(['POST'])
    expect(deriveManifest('a.ts', { method: undefined as never }).routes[0]?.methods).toBe('ANY')
    expect(deriveManifest('a.ts', { path: '/c' }).routes).toEqual([
      { methods: ['GET'], path: '/c', priority: 0 },
    ])
    expect(deriveManifest('a.ts', { routes: ['/d'], timeout: 1 })).toMatchObject({
      id: 'a',
      routes: [{ path: '/d' }],
      timeoutMs: 1_000,
    })
  })

  it('refuses a file whose name makes no id, unless one is declared', () => {
    expect(refusal(() => deriveManifest('my function.ts'))).toMatch(
      /^Function of my function\.ts: its name makes no id .+; rename the file, or export const manifest/,
    )
    expect(deriveManifest('my function.ts', { id: 'mine' }).id).toBe('mine')
  })

  it('refuses a declaration that is no object', () => {
    expect(refusal(() => deriveManifest('a.ts', null as never))).toContain('Function of a.ts: null')
  })
})
