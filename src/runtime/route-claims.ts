import { byId } from '../by-id.ts'
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
  readonly route: ManifestRoute
  readonly hosted: HostedFunction
}

/**
 * Which functions claim which routes: those at one place match the same paths at the same priority,
 * and the function answers whose id comes first.
 */
export class RouteClaims {
  readonly #places = new Map<string, Claim[]>();

  /**
   * Forgets those that leave, and takes in those that come.
   *
   * @returns routes that one of `coming` has together with another function
   */
  *change(
    leaving: readonly HostedFunction[],
    coming: readonly HostedFunction[],
  ): Steps<ShadowedRoute[]> {
    for (const hosted of leaving) {
      this.#remove(hosted)
      yield
    }
    const places = new Set<string>()
    for (const hosted of coming) {
      this.#add(hosted, places)
      yield
    }
    const news = new Set(coming)
    const shadowed: ShadowedRoute[] = []
    for (const place of places) {
      const claims = this.#places.get(place)!
      if (claims.length > 1) shadowed.push(...shadowedAt(claims, news))
      yield
    }
    return shadowed
  }

  #add(hosted: HostedFunction, places: Set<string>): void {
    for (const route of hosted.slot.deployment.manifest.routes) {
      const place = placeOf(route)
      const claims = this.#places.get(place)
      if (claims === undefined) this.#places.set(place, [{ route, hosted }])
      else claims.push({ route, hosted })
      places.add(place)
    }
  }

  #remove(gone: HostedFunction): void {
    for (const route of gone.slot.deployment.manifest.routes) {
      const place = placeOf(route)
      const left = this.#places.get(place)?.filter(({ hosted }) => hosted !== gone) ?? []
      if (left.length > 0) this.#places.set(place, left)
      else this.#places.delete(place)
    }
  }
}

function* shadowedAt(
  claims: readonly Claim[],
  news: ReadonlySet<HostedFunction>,
): Generator<ShadowedRoute> {
  const reached: Claim[] = []
  for (const claim of claims.toSorted((a, b) => byId(a.hosted, b.hosted))) {
    const { route, hosted } = claim
    const first = reached.find(
      other => other.hosted !== hosted && methodsOverlap(other.route.methods, route.methods),
    )
    if (first === undefined) reached.push(claim)
    else if (news.has(hosted) || news.has(first.hosted)) yield { route, hosted, by: first.hosted }
  }
}

/** What is alike for all routes that match the same paths. */
function placeOf({ priority, host = '', path }: ManifestRoute): string {
  return `${priority} ${host}${path.replace(/:[^/]+/g, ':')}`
}
