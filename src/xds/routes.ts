import type { Steps } from '../routing/slices.ts'
import { embed, encode, fieldNumber } from './codec.ts'
import { ROUTES_NAME } from './listener.ts'
import { type Resource, resourceOfParts, TYPE_NAMES } from './resource.ts'
import { DEFAULT_RETRY_POLICY } from './route-action.ts'
import { type DraftRouter, draftRouters, placedOnly, routersOf } from './route-draft.ts'
import { chainMatchers, type EntryCache, routerMatcher } from './route-matcher.ts'
import type { FunctionView } from './view.ts'

const VIRTUAL_HOST = 'envoy.config.route.v3.VirtualHost'

/** Encoded, in parts; none of them when it has no routes. */
type Matcher = readonly Uint8Array[]

/** The route configuration, and what the next one can take over from it. */
export interface BuiltRoutes {
  readonly resource: Resource
  readonly cache: EntryCache
}

/**
 * Envoy knows no routes that virtual hosts share: those for any host are in each of them. Beyond so many
 * copies a named host has only those of placed functions; for the others any node will do, and only
 * their preference for one is lost there.
 */
const MAX_COPIES = 20_000

/** @param clusterOf name of a function's cluster */
export function* buildRoutes(
  functions: readonly FunctionView[],
  clusterOf: (view: FunctionView) => string,
  previous: EntryCache = new Map(),
): Steps<BuiltRoutes> {
  const cache: EntryCache = new Map()
  const routers = yield* draftRouters(functions, clusterOf)
  const hosts = [...new Set(routers.map(({ host }) => host)).add('*')].sort()
  const shared = routers.filter(({ host }) => host === '*')
  const sharedSize = shared.reduce((sum, { routes }) => sum + routes.size, 0)
  const isTrimmed = sharedSize * (hosts.length - 1) > MAX_COPIES
  const matchers = new Map<DraftRouter, Matcher>()
  const trimmed = new Map<DraftRouter, Matcher>()
  for (const router of routers) {
    matchers.set(router, yield* routerMatcher(router, previous, cache))
    if (!isTrimmed || router.host !== '*') continue
    const placed = yield* placedOnly(router)
    trimmed.set(router, placed === undefined ? [] : yield* routerMatcher(placed, previous, cache))
  }
  const parts: Uint8Array[] = [
    encode(TYPE_NAMES.routes, { name: ROUTES_NAME, ignore_port_in_host_matching: true }),
  ]
  for (const host of hosts) {
    const matcherOf = (router: DraftRouter) =>
      (host === '*' ? undefined : trimmed.get(router)) ?? matchers.get(router)!
    const asked = routersOf(host, routers).map(matcherOf)
    for (const part of virtualHost(host, chainMatchers(asked.filter(isUsed)))) parts.push(part)
    yield
  }
  return { resource: yield* resourceOfParts('routes', ROUTES_NAME, parts), cache }
}

function isUsed(matcher: Matcher): boolean {
  return matcher.length > 0
}

function virtualHost(host: string, matcher: Matcher): readonly Uint8Array[] {
  return embed(fieldNumber(TYPE_NAMES.routes, 'virtual_hosts'), [
    encode(VIRTUAL_HOST, {
      name: host === '*' ? 'all' : host,
      domains: [host],
      retry_policy: DEFAULT_RETRY_POLICY,
    }),
    ...embed(fieldNumber(VIRTUAL_HOST, 'matcher'), matcher),
  ])
}
