import { type ManifestRoute, methodsOverlap } from '../function/manifest.ts'
import type { Steps } from '../routing/slices.ts'
import type { HostedFunction } from './hosted-function.ts'

/** A route that no request reaches, and the function that answers in its place. */
export interface ShadowedRoute {
  readonly route: ManifestRoute
  readonly hosted: HostedFunction
  readonly by: HostedFunction
}

interface Claim {
  readonly methods: ManifestRoute['methods']
  readonly hosted: HostedFunction
}

/**
 * Finds routes that two functions have at the same priority, one of them being in `among`: the first
 * of `functions` answers. In steps, for there may be many.
 */
export function* shadowedRoutes(
  functions: Iterable<HostedFunction>,
  among: readonly HostedFunction[],
): Steps<ShadowedRoute[]> {
  const claims = new Map<string, Claim[]>()
  for (const { places } of among) for (const place of places) claims.set(place, [])
  const news = new Set(among)
  const shadowed: ShadowedRoute[] = []
  for (const hosted of functions) {
    for (const [index, place] of hosted.places.entries()) {
      const others = claims.get(place)
      if (others === undefined) continue
      const route = hosted.slot.deployment.manifest.routes[index]!
      const first = others.find(
        other => other.hosted !== hosted && methodsOverlap(other.methods, route.methods),
      )
      if (first === undefined) others.push({ methods: route.methods, hosted })
      else if (news.has(hosted) || news.has(first.hosted)) {
        shadowed.push({ route, hosted, by: first.hosted })
      }
    }
    yield
  }
  return shadowed
}
