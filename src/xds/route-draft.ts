import { parseHost } from '../routing/host-pattern.ts'
import type { Steps } from '../routing/slices.ts'
import { ALL_NODES, ALL_NODES_BY_FUNCTION } from './clusters.ts'
import { type PathMatch, pathMatch } from './path-match.ts'
import type { FunctionView } from './view.ts'

/** One route of a function, ready to be put in order. */
export interface DraftRoute {
  readonly methods: readonly string[] | 'ANY'
  readonly path: PathMatch
  readonly target: RouteTarget
}

/** Where requests of a function go. */
export interface RouteTarget {
  readonly id: string
  readonly cluster: string
  readonly timeoutMs: number
  /** Whether they prefer one host. */
  readonly hasAffinity: boolean
}

/** The routes of one host pattern at one priority; `*` is any host. */
export interface DraftRouter {
  readonly host: string
  readonly priority: number
  /** By the literal prefix of their paths. */
  readonly routes: Map<string, DraftRoute[]>
}

/** The routes by host and priority, in the order of their declaration. */
export function* draftRouters(
  functions: readonly FunctionView[],
  clusterOf: (view: FunctionView) => string,
): Steps<DraftRouter[]> {
  const routers = new Map<string, DraftRouter>()
  const hosts = new Map<string, string>()
  for (const view of functions) {
    const target: RouteTarget = {
      id: view.id,
      cluster: clusterOf(view),
      timeoutMs: view.timeoutMs,
      hasAffinity: view.balance === 'affinity',
    }
    for (const { methods, path, host: written = '*', priority } of view.routes) {
      let host = hosts.get(written)
      if (host === undefined) {
        host = written === '*' ? written : parseHost(written)
        hosts.set(written, host)
      }
      const key = `${priority} ${host}`
      const router = routers.get(key) ?? { host, priority, routes: new Map() }
      routers.set(key, router)
      const route = { methods, path: pathMatch(path), target }
      const others = router.routes.get(route.path.prefix)
      if (others === undefined) router.routes.set(route.path.prefix, [route])
      else others.push(route)
    }
    yield
  }
  return [...routers.values()]
}

/** The same router with the routes of placed functions alone; `undefined` when there are none. */
export function* placedOnly(router: DraftRouter): Steps<DraftRouter | undefined> {
  const routes: DraftRouter['routes'] = new Map()
  for (const [prefix, all] of router.routes) {
    const placed = all.filter(({ target }) => isPlaced(target.cluster))
    if (placed.length > 0) routes.set(prefix, placed)
    yield
  }
  return routes.size === 0 ? undefined : { ...router, routes }
}

function isPlaced(cluster: string): boolean {
  return cluster !== ALL_NODES.name && cluster !== ALL_NODES_BY_FUNCTION.name
}

/**
 * The routers that a request to `host` asks, in order: highest priority first, then the exact host,
 * suffixes (longest first), any host; as in src/routing/table-index.ts.
 */
export function routersOf(host: string, routers: readonly DraftRouter[]): readonly DraftRouter[] {
  return routers
    .filter(router => covers(router.host, host))
    .sort((a, b) => b.priority - a.priority || specificity(b.host) - specificity(a.host))
}

function covers(pattern: string, host: string): boolean {
  if (pattern === '*' || pattern === host) return true
  return pattern.startsWith('*.') && host.endsWith(pattern.slice(1))
}

function specificity(host: string): number {
  if (host === '*') return 0
  return host.startsWith('*.') ? host.length : Number.POSITIVE_INFINITY
}
