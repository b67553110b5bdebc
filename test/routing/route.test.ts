import { describe, expect, it } from 'vitest'
import { Route } from '../../src/routing/route.ts'

describe('Route', () => {
  it('has defaults: priority 0, any host', () => {
    expect(new Route('GET', '/x', 'f').entry).toEqual({
      methods: ['GET'],
      path: '/x',
      host: undefined,
      priority: 0,
      target: 'f',
    })
  })

  it('is immutable: each step answers with a new route', () => {
    const route = new Route(['GET', 'POST', 'GET'], '/x', 'f')
    const changed = route.priority(5).host('*.Example.com').priority(7)
    expect(changed.entry).toEqual({
      methods: ['GET', 'POST'],
      path: '/x',
      host: '*.example.com',
      priority: 7,
      target: 'f',
    })
    expect(route.entry).toMatchObject({ priority: 0, host: undefined })
    expect(Object.isFrozen(changed.entry)).toBe(true)
  })

  it('takes any target, not only the id of a function', () => {
    const slot = { name: 'slot' }
    expect(new Route('ANY', '/x', slot).priority(1).entry.target).toBe(slot)
  })

  it.each([
    ['an unknown method', () => new Route('GTE', '/x', 'f'), 'method "GTE" is not an HTTP method'],
    ['a lower-case method', () => new Route('get', '/x', 'f'), 'upper case'],
    ['no method', () => new Route([], '/x', 'f'), 'method [] is empty'],
    ['ANY in a list', () => new Route(['GET', 'ANY'], '/x', 'f'), '"ANY" stands alone'],
    ['a bad path', () => new Route('GET', 'x', 'f'), 'path "x" must start with "/"'],
    ['a bad host', () => new Route('GET', '/x', 'f').host('a:1'), 'host "a:1" has a port'],
    [
      'a fraction',
      () => new Route('GET', '/x', 'f').priority(1.5),
      'priority 1.5 is not an integer',
    ],
    ['NaN', () => new Route('GET', '/x', 'f').priority(Number.NaN), 'priority NaN'],
  ])('refuses %s, naming the function', (_, make, problem) => {
    expect(make).toThrow(problem)
    expect(make).toThrow('function "f": ')
    expect(make).toThrow(expect.objectContaining({ code: 'INVALID_MANIFEST' }))
  })
})
