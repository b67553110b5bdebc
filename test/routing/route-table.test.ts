import { describe, expect, it } from 'vitest'
import { Route } from '../../src/routing/route.ts'
import { RouteTable } from '../../src/routing/route-table.ts'

/** Routes as `METHOD path`, each leading to its own text. */
function tableOf(...routes: (string | Route)[]): RouteTable {
  return new RouteTable(
    routes.map(route => {
      if (route instanceof Route) return route
      const [methods, path] = route.split(' ') as [string, string]
      return new Route(methods === 'ANY' ? methods : methods.split(','), path, route)
    }),
  )
}

function targetOf(table: RouteTable, path: string, method = 'GET', host?: string): string {
  const match = table.find(path, method, host)
  return match.kind === 'found' ? match.target : match.kind
}

function paramsOf(table: RouteTable, path: string): Record<string, string> {
  const match = table.find(path, 'GET')
  if (match.kind !== 'found') throw new Error(`${path}: ${match.kind}`)
  return { ...match.params }
}

describe('the seed API', () => {
  it('adds routes one by one and finds them', () => {
    const table = new RouteTable()
      .add(new Route('GET', '/api/users', 'users-list'))
      .add(new Route('GET', '/api/users/:id', 'user-get'))
      .add(new Route('GET', '/api/*', 'api-catch-all').priority(0))
    expect(table.find('/api/users/123', 'GET')).toEqual({
      kind: 'found',
      target: 'user-get',
      params: { id: '123' },
    })
    expect(targetOf(table, '/api/users')).toBe('users-list')
    expect(targetOf(table, '/api/else')).toBe('api-catch-all')
    expect(table.entries.map(entry => entry.target)).toEqual([
      'users-list',
      'user-get',
      'api-catch-all',
    ])
  })

  it('leaves the table as it was that a route is added to', () => {
    const before = tableOf('GET /a/:x')
    const after = before.add(new Route('GET', '/b', 'b'))
    expect(targetOf(before, '/b')).toBe('not-found')
    expect(targetOf(after, '/b')).toBe('b')
    expect(targetOf(after, '/a/1')).toBe('GET /a/:x')
  })

  it('finds nothing in an empty table', () => {
    expect(new RouteTable().find('/', 'GET', 'a.test')).toEqual({ kind: 'not-found' })
  })
})

describe('which pattern wins', () => {
  it('asks the highest priority first, however unspecific', () => {
    const table = tableOf('GET /a/b', new Route('GET', '/*', 'high').priority(1))
    expect(targetOf(table, '/a/b')).toBe('high')
    const low = tableOf(new Route('GET', '/*', 'low').priority(-1), 'GET /a/:x')
    expect(targetOf(low, '/a/b')).toBe('GET /a/:x')
    expect(targetOf(low, '/b')).toBe('low')
  })

  it('prefers literal to :param to *, whatever the order of declaration', () => {
    const table = tableOf('GET /a/*', 'GET /a/:x', 'GET /a/b')
    expect(targetOf(table, '/a/b')).toBe('GET /a/b')
    expect(targetOf(table, '/a/c')).toBe('GET /a/:x')
    expect(targetOf(table, '/a/c/d')).toBe('GET /a/*')
  })

  it('decides from the left', () => {
    const table = tableOf('GET /:x/b', 'GET /a/:y')
    expect(targetOf(table, '/a/b')).toBe('GET /a/:y')
  })

  it('goes back to the next best where a choice leads nowhere', () => {
    const table = tableOf('GET /a/b/c', 'GET /a/:x/d', 'GET /:x/b/e', 'GET /*')
    expect(targetOf(table, '/a/b/d')).toBe('GET /a/:x/d')
    expect(targetOf(table, '/a/b/e')).toBe('GET /:x/b/e')
    expect(targetOf(table, '/a/b/f')).toBe('GET /*')
  })

  it('keeps the earlier of two alike, also under other names', () => {
    const table = tableOf('GET /a/:x', 'GET /a/:y', new Route('GET', '/b', 'b1'), 'GET /b')
    expect(targetOf(table, '/a/1')).toBe('GET /a/:x')
    expect(paramsOf(table, '/a/1')).toEqual({ x: '1' })
    expect(targetOf(table, '/b')).toBe('b1')
  })
})

describe('what a pattern matches', () => {
  it('/api/* matches /api/ and below, neither /api nor /apifoo', () => {
    const table = tableOf('GET /api/*')
    expect(paramsOf(table, '/api/')).toEqual({ '*': '' })
    expect(paramsOf(table, '/api/x/y')).toEqual({ '*': 'x/y' })
    expect(targetOf(table, '/api')).toBe('not-found')
    expect(targetOf(table, '/apifoo')).toBe('not-found')
  })

  it('/* matches every path', () => {
    const table = tableOf('GET /*')
    expect(paramsOf(table, '/')).toEqual({ '*': '' })
    expect(paramsOf(table, '/a//b/')).toEqual({ '*': 'a//b/' })
  })

  it('tells /a from /a/ and /A', () => {
    const table = tableOf('GET /a', 'GET /b/')
    expect(targetOf(table, '/a/')).toBe('not-found')
    expect(targetOf(table, '/A')).toBe('not-found')
    expect(targetOf(table, '/b')).toBe('not-found')
    expect(targetOf(table, '/b/')).toBe('GET /b/')
  })

  it(':param takes no empty segment', () => {
    const table = tableOf('GET /a/:x', 'GET /a/:x/b', 'GET /c/:x', 'GET /c/*')
    expect(targetOf(table, '/a/')).toBe('not-found')
    expect(targetOf(table, '/a//b')).toBe('not-found')
    expect(targetOf(table, '/c/')).toBe('GET /c/*')
  })

  it('matches literals however they are percent-encoded', () => {
    const table = tableOf('GET /café', 'GET /%E6%97%A5/:x', 'GET /a%3Ab/:x', 'GET /a%2Fb')
    expect(targetOf(table, '/caf%C3%A9')).toBe('GET /café')
    expect(targetOf(table, '/%63af%c3%a9')).toBe('GET /café')
    expect(targetOf(table, '/%e6%97%a5/1')).toBe('GET /%E6%97%A5/:x')
    expect(targetOf(table, '/a:b/1')).toBe('GET /a%3Ab/:x')
    expect(targetOf(table, '/a%3ab/1')).toBe('GET /a%3Ab/:x')
    expect(targetOf(table, '/a%2fb')).toBe('GET /a%2Fb')
    expect(targetOf(table, '/a/b')).toBe('not-found')
    expect(targetOf(table, '/a%252Fb')).toBe('not-found')
  })

  it.each(['/%', '/%zz', '/%FF', '*', '', 'http://a.test/x'])('finds nothing for %j', path => {
    expect(targetOf(tableOf('GET /*', 'GET /:x'), path)).toBe('not-found')
  })

  it('captures a segment of any length', () => {
    const long = 'x'.repeat(20_000)
    expect(paramsOf(tableOf('GET /:x'), `/${long}`)).toEqual({ x: long })
  })
})

describe('captures', () => {
  it.each([
    ['/a%2Fb', 'a/b'],
    ['/%252F', '%2F'],
    ['/%25', '%'],
    ['/a%3Fb%23c', 'a?b#c'],
    ['/caf%C3%A9', 'café'],
    ['/%F0%9F%9A%80%2F%F0%9F%9A%80', '🚀/🚀'],
    // Their low surrogates are those that stand for an escaped # and / inside the table.
    ['/%F0%9F%90%A3%2F%F0%9F%90%AF', '🐣/🐯'],
    ['/a+b', 'a+b'],
    ['/a%0Ab', 'a\nb'],
  ])('decodes %s once', (path, value) => {
    expect(paramsOf(tableOf('GET /:x'), path)).toEqual({ x: value })
    expect(paramsOf(tableOf('GET /*'), path)).toEqual({ '*': value })
  })

  it('keeps an encoded slash within its segment', () => {
    const table = tableOf('GET /:x', 'GET /:x/:y')
    expect(paramsOf(table, '/a%2Fb')).toEqual({ x: 'a/b' })
    expect(paramsOf(table, '/a%2Fb/c')).toEqual({ x: 'a/b', y: 'c' })
  })

  it('may have the names of Object.prototype', () => {
    const table = tableOf('GET /:__proto__/:constructor', 'GET /static')
    const match = table.find('/a/b', 'GET')
    if (match.kind !== 'found') throw new Error(match.kind)
    expect(Object.entries(match.params)).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ])
    expect(match.params['toString']).toBeUndefined()
    const plain = table.find('/static', 'GET')
    expect(plain.kind === 'found' && plain.params['toString']).toBeUndefined()
  })

  it('are one shared empty object for a route without any', () => {
    const table = tableOf('GET /a')
    expect(table.find('/a', 'GET')).toBe(table.find('/%61', 'GET'))
    expect(Object.isFrozen((table.find('/a', 'GET') as { params: object }).params)).toBe(true)
  })

  it('hold more than four', () => {
    expect(paramsOf(tableOf('GET /:a/:b/:c/:d/:e/*'), '/1/2/3/4/5/6/7')).toEqual({
      a: '1',
      b: '2',
      c: '3',
      d: '4',
      e: '5',
      '*': '6/7',
    })
  })
})

describe('methods', () => {
  it('tells 405 with Allow from 404', () => {
    const table = tableOf('GET /a', 'POST,PUT /:x', 'DELETE /b')
    expect(table.find('/a', 'DELETE')).toEqual({
      kind: 'method-not-allowed',
      allow: ['GET', 'HEAD', 'POST', 'PUT'],
    })
    expect(table.find('/a/b', 'DELETE')).toEqual({ kind: 'not-found' })
  })

  it('unites Allow over priorities and hosts that cover the request', () => {
    const table = tableOf(
      new Route('PUT', '/a', 'f').priority(3),
      new Route('PATCH', '/*', 'f').host('*.test'),
      new Route('DELETE', '/a', 'f').host('other.test'),
      'GET /:x',
    )
    expect(table.find('/a', 'POST', 'a.test')).toMatchObject({
      allow: ['GET', 'HEAD', 'PATCH', 'PUT'],
    })
  })

  it('passes over a more specific pattern that does not answer the method', () => {
    const table = tableOf('GET /a/b', 'POST /a/:x', 'ANY /*')
    expect(targetOf(table, '/a/b', 'POST')).toBe('POST /a/:x')
    expect(targetOf(table, '/a/b', 'DELETE')).toBe('ANY /*')
  })

  it('ANY answers every method, unknown ones too', () => {
    const table = tableOf('ANY /a', 'GET /b')
    expect(targetOf(table, '/a', 'GET')).toBe('ANY /a')
    expect(targetOf(table, '/a', 'PROPFIND')).toBe('ANY /a')
    expect(targetOf(table, '/b', 'PROPFIND')).toBe('method-not-allowed')
  })

  it('of ANY and GET alike the earlier answers', () => {
    expect(targetOf(tableOf('ANY /a', 'GET /a'), '/a')).toBe('ANY /a')
    expect(targetOf(tableOf('GET /a', 'ANY /a'), '/a')).toBe('GET /a')
  })

  it('GET answers HEAD', () => {
    expect(targetOf(tableOf('GET /a/:x'), '/a/1', 'HEAD')).toBe('GET /a/:x')
    expect(targetOf(tableOf('POST /a'), '/a', 'HEAD')).toBe('method-not-allowed')
  })

  it('a route that names HEAD answers it before a GET alike, and takes none from other paths', () => {
    const table = tableOf('GET /a', 'HEAD /a', 'GET /b', 'HEAD /*')
    expect(targetOf(table, '/a', 'HEAD')).toBe('HEAD /a')
    expect(targetOf(table, '/a', 'GET')).toBe('GET /a')
    expect(targetOf(table, '/b', 'HEAD')).toBe('GET /b')
    expect(targetOf(table, '/c', 'HEAD')).toBe('HEAD /*')
    expect(table.find('/c', 'GET')).toMatchObject({ allow: ['HEAD'] })
  })
})

describe('hosts', () => {
  const table = tableOf(
    new Route('GET', '/*', 'any'),
    new Route('GET', '/*', 'short suffix').host('*.test'),
    new Route('GET', '/*', 'long suffix').host('*.a.test'),
    new Route('GET', '/*', 'exact').host('x.a.test'),
    new Route('GET', '/only-any', 'only any'),
  )

  it.each([
    ['x.a.test', 'exact'],
    ['x.a.test:8080', 'exact'],
    ['y.a.test', 'long suffix'],
    ['z.y.a.test', 'long suffix'],
    ['z.x.a.test', 'long suffix'],
    ['a.test', 'short suffix'],
    ['test', 'any'],
    ['.test', 'any'],
    ['a.test.evil', 'any'],
    ['xa.test', 'short suffix'],
    ['[::1]:80', 'any'],
    ['', 'any'],
  ])('%j is answered by %s', (host, target) => {
    expect(targetOf(table, '/p', 'GET', host)).toBe(target)
  })

  it('prefers a nearer host to a more specific pattern', () => {
    expect(targetOf(table, '/only-any', 'GET', 'x.a.test')).toBe('exact')
  })

  it('prefers a priority to a nearer host', () => {
    const other = table.add(new Route('GET', '/vip', 'vip').priority(1))
    expect(targetOf(other, '/vip', 'GET', 'x.a.test')).toBe('vip')
  })

  it('goes on to wider hosts where the nearer one has no route', () => {
    const other = tableOf(
      new Route('GET', '/a', 'exact').host('x.test'),
      new Route('GET', '/b', 'suffix').host('*.test'),
      new Route('GET', '/c', 'any'),
    )
    expect(targetOf(other, '/b', 'GET', 'x.test')).toBe('suffix')
    expect(targetOf(other, '/c', 'GET', 'x.test')).toBe('any')
    expect(targetOf(other, '/c', 'GET', 'y.test')).toBe('any')
    expect(targetOf(other, '/a', 'GET', 'y.test')).toBe('not-found')
    expect(targetOf(other, '/a', 'GET')).toBe('not-found')
  })
})
