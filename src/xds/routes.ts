import type { Steps } from '../routing/slices.ts'
import { embed, encode, fieldNumber } from './codec.ts'
import { ROUTES_NAME } from './listener.ts'
import { type Resource, resourceOfBytes, TYPE_NAMES } from './resource.ts'
import { type DraftRouter, draftRouters, routersOf } from './route-draft.ts'
import { chainMatchers, type EntryCache, routerMatcher } from './route-matcher.ts'
import type { FunctionView } from './view.ts'

const VIRTUAL_HOST = 'envoy.config.route.v3.VirtualHost'

/** The route configuration, and what the next one can take over from it. */
export interface BuiltRoutes {
  readonly resource: Resource
  readonly cache: EntryCache
}

/** @param clusterOf name of a function's cluster */
export function* buildRoutes(
  functions: readonly FunctionView[],
  clusterOf: (view: FunctionView) => string,
  previous: EntryCache = new Map(),
): Steps<BuiltRoutes> {
  const cache: EntryCache = new Map()
  const routers = yield* draftRouters(functions, clusterOf)
  const matchers = new Map<DraftRouter, Uint8Array>()
  for (const router of routers) {
    matchers.set(router, yield* routerMatcher(router, previous, cache))
  }
  const hosts = [...new Set(routers.map(({ host }) => host)).add('*')].sort()
  const virtualHosts: Uint8Array[] = []
  for (const host of hosts) {
    const chain = chainMatchers(routersOf(host, routers).map(router => matchers.get(router)!))
    const name = host === '*' ? 'all' : host
    virtualHosts.push(
      embed(
        fieldNumber(TYPE_NAMES.routes, 'virtual_hosts'),
        encode(VIRTUAL_HOST, { name, domains: [host] }),
        embed(fieldNumber(VIRTUAL_HOST, 'matcher'), chain),
      ),
    )
    yield
  }
  const head = encode(TYPE_NAMES.routes, { name: ROUTES_NAME, ignore_port_in_host_matching: true })
  const value = Buffer.concat([head, ...virtualHosts])
  yield
  return { resource: resourceOfBytes('routes', ROUTES_NAME, value), cache }
}
