import fc from 'fast-check'
import { expect, it } from 'vitest'
import { RouteTable } from '../../src/routing/route-table.ts'
import { snapshotOf } from '../../src/xds/snapshot.ts'
import { arbitraryRoute } from '../routing/arbitrary-routes.ts'
import { modelOf } from './envoy-model.ts'
import { functionAt } from './views.ts'

const route = arbitraryRoute([
  'a',
  'b',
  'ab',
  'a%2Fb',
  '%C3%A9',
  'é',
  'c%3Ad',
  'a@b',
  ':x',
  ':y',
  ':z',
])
/** As Envoy has normalised it: letters are not encoded, slashes are single. */
const request = fc.record({
  path: fc
    .tuple(
      fc.array(
        fc.constantFrom(
          'a',
          'b',
          'ab',
          'a%2fb',
          '%C3%A9',
          '%c3%a9',
          'c:d',
          'c%3ad',
          'a%40b',
          'a@b',
          '%252F',
          'q',
        ),
        {
          maxLength: 5,
        },
      ),
      fc.constantFrom('', '/', '?a=/b', '/?a'),
    )
    .map(([parts, end]) => `/${parts.join('/')}${end}`.replace('//', '/')),
  method: fc.constantFrom('GET', 'GET', 'HEAD', 'POST', 'PROPFIND', 'OPTIONS'),
  host: fc.constantFrom('a.test', 'x.a.test:8080', 'y.x.a.test', 'z.a.test', 'other.test', 'none'),
})

it('Envoy picks the function that a host finds', () => {
  const check = fc.property(
    fc.array(route, { minLength: 1, maxLength: 12 }),
    fc.array(request, { minLength: 20, maxLength: 20 }),
    (routes, requests) => {
      const entries = routes.map(({ host, ...rest }) =>
        host === undefined ? rest : { ...rest, host },
      )
      const functions = entries.map((entry, index) => functionAt(`fn-${index}`, [entry]))
      const model = modelOf(snapshotOf({ nodes: [], functions }))
      const table = new RouteTable(
        entries.map((entry, index) => ({ entry: { ...entry, target: `fn-${index}` } }) as never),
      )
      for (const { method, path, host } of requests) {
        const found = table.find(path.split('?')[0]!, method, host)
        const expected = found.kind === 'found' ? found.target : 'rest'
        const got = model({ method, path, host })
        expect(got?.name, `${method} ${host} ${path}`).toBe(expected)
        const isSafe = ['GET', 'HEAD', 'OPTIONS'].includes(method)
        expect(got?.route?.retry_policy.retry_on.endsWith(',reset')).toBe(isSafe)
      }
    },
  )
  fc.assert(check, { numRuns: 200 })
})
