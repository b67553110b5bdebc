import type { Steps } from '../routing/slices.ts'
import { embed, encode, fieldNumber, type Message } from './codec.ts'
import { anyOf, headerInput, headerIs } from './path-match.ts'
import { SAFE_METHODS } from './policy.ts'
import { closedAction, functionAction, restAction } from './route-action.ts'
import type { DraftRoute, DraftRouter } from './route-draft.ts'

/*
 * Routes become a matcher (xds.type.matcher.v3.Matcher), not a list: Envoy would go through a list of
 * 10,000 from its start for each request. For every host and priority there is a map by literal prefix,
 * which is asked from the longest prefix down, as long as nothing fits (so since Envoy 1.35); what
 * fits no map is asked of the next one. The literal prefix decides as Fezz does: literal before `:name`
 * before `*`, segment by segment from the left.
 *
 * The parts are encoded one by one and joined as bytes, so that the work can pause in between, and
 * parts that did not change are taken over.
 */
const MATCHER = 'xds.type.matcher.v3.Matcher'
const ON_MATCH = `${MATCHER}.OnMatch`
const TREE = `${MATCHER}.MatcherTree`

/** Entries of prefix maps, encoded, by what they say. */
export type EntryCache = Map<string, Uint8Array>

/** A matcher without `on_no_match` for the routes of one host at one priority, encoded, in parts. */
export function* routerMatcher(
  router: DraftRouter,
  previous: EntryCache,
  cache: EntryCache,
): Steps<readonly Uint8Array[]> {
  const entries: Uint8Array[] = []
  // The same bytes whatever the order of declaration, where that order does not matter.
  for (const prefix of [...router.routes.keys()].sort()) {
    const routes = router.routes.get(prefix)!
    const key = JSON.stringify([prefix, routes.map(signature)])
    const entry = cache.get(key) ?? previous.get(key) ?? mapEntry(prefix, routes)
    cache.set(key, entry)
    entries.push(entry)
    yield
  }
  const input = encode(TREE, { input: headerInput(':path') })
  const map = embed(fieldNumber(TREE, 'prefix_match_map'), entries)
  return embed(fieldNumber(MATCHER, 'matcher_tree'), [input, ...map])
}

/** One matcher out of those of several routers; each is asked when those before it have nothing. */
export function chainMatchers(matchers: readonly (readonly Uint8Array[])[]): readonly Uint8Array[] {
  let rest: readonly Uint8Array[] = [allOthers()]
  for (const matcher of [...matchers].reverse()) {
    rest = embed(fieldNumber(ON_MATCH, 'matcher'), [...matcher, ...onNoMatch(rest)])
  }
  return [closedPaths(), ...onNoMatch(rest)]
}

function onNoMatch(rest: readonly Uint8Array[]): readonly Uint8Array[] {
  return embed(fieldNumber(MATCHER, 'on_no_match'), rest)
}

/** Before all routes: what is not for the outside. A matcher without `on_no_match`. */
function closedPaths(): Uint8Array {
  const predicate = anyOf([
    headerIs(':path', { exact: '/_metrics' }),
    headerIs(':path', { prefix: '/_metrics?' }),
  ])
  const closed = { predicate, on_match: closedAction('metrics-closed') }
  return encode(MATCHER, { matcher_list: { matchers: [closed] } })
}

/** After all routes. */
function allOthers(): Uint8Array {
  const safe = onMethods(SAFE_METHODS, restAction(true))
  return encode(ON_MATCH, {
    matcher: { matcher_list: { matchers: [safe] }, on_no_match: restAction(false) },
  })
}

function signature({ methods, path, target }: DraftRoute): unknown {
  return [methods, path.shape, target.id, target.cluster, target.timeoutMs, target.hasAffinity]
}

/** In a map the key is field 1 and the value field 2 of each entry. */
function mapEntry(prefix: string, routes: readonly DraftRoute[]): Uint8Array {
  const value = encode(ON_MATCH, { matcher: { matcher_list: { matchers: shapeMatchers(routes) } } })
  return Buffer.concat(embed(1, [...embed(1, [Buffer.from(prefix)]), ...embed(2, [value])]))
}

/** One for each pattern, the more specific first. */
function shapeMatchers(routes: readonly DraftRoute[]): Message[] {
  const byShape = new Map<string, DraftRoute[]>()
  for (const route of routes) {
    const alike = byShape.get(route.path.shape)
    if (alike === undefined) byShape.set(route.path.shape, [route])
    else alike.push(route)
  }
  return [...byShape.values()]
    .sort(([a], [b]) => (a!.path.rank < b!.path.rank ? -1 : 1))
    .map(alike => ({
      predicate: alike[0]!.path.predicate,
      on_match: { matcher: methodMatcher(alike) },
    }))
}

/** By method, among patterns alike: the one that names HEAD, for HEAD; then the earlier. */
function methodMatcher(routes: readonly DraftRoute[]): Message {
  const matchers: Message[] = []
  const head = routes.find(({ methods }) => methods.includes('HEAD'))
  if (head !== undefined) matchers.push(onMethods(['HEAD'], functionAction(head.target, true)))
  for (const { methods, target } of routes) {
    if (methods === 'ANY') {
      matchers.push(onMethods(SAFE_METHODS, functionAction(target, true)))
      return { matcher_list: { matchers }, on_no_match: functionAction(target, false) }
    }
    const all = methods.includes('GET') ? [...methods, 'HEAD'] : methods
    const safe = SAFE_METHODS.filter(method => all.includes(method))
    const unsafe = methods.filter(method => !safe.some(other => other === method))
    if (safe.length > 0) matchers.push(onMethods(safe, functionAction(target, true)))
    if (unsafe.length > 0) matchers.push(onMethods(unsafe, functionAction(target, false)))
  }
  return { matcher_list: { matchers } }
}

function onMethods(methods: readonly string[], action: Message): Message {
  const predicate = anyOf(methods.map(method => headerIs(':method', { exact: method })))
  return { predicate, on_match: action }
}
