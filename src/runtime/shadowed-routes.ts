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
 * Finds routes that another function has too, at the same priority: the earlier one answers. In
 * steps, for there may be many.
 */
export function* shadowedRoutes(functions: Iterable<HostedFunction>): Steps<ShadowedRoute[]> {
  const claims = new Map<string, Claim[]>()
  const shadowed: ShadowedRoute[] = []
  for (const hosted of functions) {
    for (const route of hosted.slot.deployment.manifest.routes) {
      const { priority, host = '', path, methods } = route
      const place = `${priority} ${host}${path.replace(/:[^/]+/g, ':')}`
      const others = claims.get(place) ?? []
      const first = others.find(
        other => other.hosted !== hosted && methodsOverlap(other.methods, methods),
      )
      if (first === undefined) claims.set(place, [...others, { methods, hosted }])
      else shadowed.push({ route, hosted, by: first.hosted })
      yield
    }
  }
  return shadowed
}
