import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { RouteEntry } from '../../src/routing/route.ts'
import { RouteTable } from '../../src/routing/route-table.ts'
import { arbitraryRoute } from './arbitrary-routes.ts'

const literals = ['a', 'b', 'a%2Fb', '%C3%A9', 'é', 'c%3Ad']
const route = arbitraryRoute([...literals, ':x', ':y', ':z'])
const request = fc.record({
  path: fc
    .array(fc.constantFrom('a', 'b', '', '%61', 'a%2fb', '%C3%A9', 'c:d', '%252F', 'q'), {
      minLength: 1,
      maxLength: 5,
    })
    .map(parts => `/${parts.join('/')}`),
  method: fc.constantFrom('GET', 'GET', 'HEAD', 'POST', 'PROPFIND'),
  host: fc.constantFrom(
    '',
    'a.test',
    'x.a.test:8080',
    'y.x.a.test',
    'z.a.test',
    'other.test',
    'none',
  ),
})

/** Enough routes around the others that they are split; they share beginnings with them. */
const crowd: Omit<RouteEntry<number>, 'target'>[] = ['', '/a', '/a/b', '/:x', '/b/:x'].flatMap(
  start =>
    Array.from({ length: 60 }, (_, index) => ({
      methods: index % 3 === 0 ? 'ANY' : ['GET'],
      path: `${start}/crowd-${index}${index % 2 === 0 ? '' : '/*'}`,
      priority: 0,
    })),
)

interface Candidate {
  readonly entry: RouteEntry<number>
  readonly params: Record<string, string>
  /** Smaller is better, compared from the left. */
  readonly order: readonly number[]
}

function candidateOf(entry: RouteEntry<number>, path: string, host: string): Candidate | undefined {
  const suffix = entry.host?.startsWith('*') ? entry.host.slice(1) : undefined
  if (
    suffix !== undefined
      ? !host.endsWith(suffix) || host === suffix
      : entry.host !== undefined && entry.host !== host
  ) {
    return undefined
  }
  const nearness = entry.host === undefined ? 0 : (suffix?.length ?? 1000)
  const order = [-entry.priority, -nearness]
  const params: Record<string, string> = {}
  const wanted = entry.path.slice(1).split('/')
  const given = path.slice(1).split('/')
  for (const [index, part] of wanted.entries()) {
    const value = given[index]
    if (value === undefined) return undefined
    if (part === '*') {
      params['*'] = decodeURIComponent(given.slice(index).join('/'))
      return { entry, params, order: [...order, 2] }
    }
    if (part.startsWith(':')) {
      if (value === '') return undefined
      params[part.slice(1)] = decodeURIComponent(value)
      order.push(1)
    } else {
      if (decodeURIComponent(part) !== decodeURIComponent(value)) return undefined
      order.push(0)
    }
  }
  return given.length === wanted.length ? { entry, params, order } : undefined
}

function answers({ methods }: RouteEntry<number>, method: string): boolean {
  return (
    methods === 'ANY' || methods.includes(method) || (method === 'HEAD' && methods.includes('GET'))
  )
}

function compare(a: Candidate, b: Candidate, method: string): number {
  for (const [index, rank] of a.order.entries()) {
    if (rank !== b.order[index]) return rank - b.order[index]!
  }
  const named = (entry: RouteEntry<number>) =>
    method === 'HEAD' && entry.methods.includes('HEAD') ? 0 : 1
  return named(a.entry) - named(b.entry) || a.entry.target - b.entry.target
}

/** Tries every route: slow and plain. */
function naiveFind(
  entries: readonly RouteEntry<number>[],
  path: string,
  method: string,
  authority: string,
) {
  const host = authority.replace(/:\d+$/, '')
  const all = entries
    .map(entry => candidateOf(entry, path, host))
    .filter(candidate => candidate !== undefined)
  const [best] = all
    .filter(({ entry }) => answers(entry, method))
    .sort((a, b) => compare(a, b, method))
  if (best !== undefined) return { kind: 'found', target: best.entry.target, params: best.params }
  if (all.length === 0) return { kind: 'not-found' }
  const allow = new Set(all.flatMap(({ entry }) => entry.methods))
  if (allow.has('GET')) allow.add('HEAD')
  return { kind: 'method-not-allowed', allow: [...allow].sort() }
}

it('answers as trying every route would, built anew or changed, few routes or many', async () => {
  let found = 0
  const compare = (a: number, b: number) => a - b
  await fc.assert(
    fc.asyncProperty(
      fc.array(route, { maxLength: 12 }),
      fc.array(fc.nat({ max: 5 }), { minLength: 1, maxLength: 12 }),
      fc.array(request, { minLength: 20, maxLength: 20 }),
      fc.boolean(),
      async (some, fates, requests, isCrowded) => {
        const routes = isCrowded ? [...some, ...crowd] : some
        // The order of targets is not that in which they come.
        const all = routes.map((item, index) => ({ ...item, target: (index * 7919) % 10_007 }))
        const withFate = (...wanted: number[]) =>
          all.filter((_, index) => wanted.includes(fates[index % fates.length]!))
        let table = await RouteTable.build<number>([])
        table = await table.change({ add: withFate(0, 1, 4), compare })
        table = await table.change({ remove: withFate(1), add: withFate(2), compare })
        table = await table.change({ remove: withFate(2), add: withFate(3, 5), compare })
        const entries = withFate(0, 3, 4, 5)
        const fresh = await RouteTable.build(entries.toSorted((a, b) => a.target - b.target))
        expect(table.size).toBe(entries.length)
        expect(new Set(table.entries)).toEqual(new Set(entries))
        for (const { path, method, host } of requests) {
          const expected = naiveFind(entries, path, method, host)
          expect(table.find(path, method, host)).toEqual(expected)
          expect(fresh.find(path, method, host)).toEqual(expected)
          if (expected.kind === 'found') found++
        }
      },
    ),
    { numRuns: 300 },
  )
  expect(found).toBeGreaterThan(500)
})
