import { canonicalPath, restoreCaptures } from './canonical-path.ts'
import type { RouteFound } from './path-tree.ts'
import type { Route, RouteEntry } from './route.ts'
import { runAtOnce, runInSlices, SLICE_MS } from './slices.ts'
import { TableIndex } from './table-index.ts'

/** What a {@link RouteTable} answers. */
export type RouteMatch<T> = RouteFound<T> | RouteNotFound | RouteMethodNotAllowed

/** No route matches the path, by any method. */
export interface RouteNotFound {
  readonly kind: 'not-found'
}

/** Routes match the path, none the method. */
export interface RouteMethodNotAllowed {
  readonly kind: 'method-not-allowed'
  /** For the Allow header (RFC 9110, section 10.2.1): sorted; HEAD is there where GET is. */
  readonly allow: readonly string[]
}

/** How {@link RouteTable.build} goes about it. */
export interface BuildOptions<T> {
  /** Time between turns of the event loop, in milliseconds. Default {@link SLICE_MS}. */
  readonly sliceMs?: number
  /** A table whose parts are taken over where their routes did not change. */
  readonly previous?: RouteTable<T> | undefined
  /** Gives the build up. */
  readonly signal?: AbortSignal | undefined
}

const NOT_FOUND: RouteNotFound = Object.freeze({ kind: 'not-found' })

/**
 * Which target answers which path, method and host. Immutable: a change is a new table, built aside
 * and swapped whole.
 *
 * The highest priority wins across everything; within one priority the exact host before
 * `*.suffix` (the longest first) before any host; then the more specific pattern, segment by
 * segment from the left, literal before `:param` before `*`; then the one that names HEAD, for
 * HEAD; then the earlier. Whatever does not answer the method is passed over.
 *
 * @example
 * const table = new RouteTable().add(new Route('GET', '/api/users/:id', 'user-get'))
 * table.find('/api/users/123', 'GET')
 * // { kind: 'found', target: 'user-get', params: { id: '123' } }
 */
export class RouteTable<T = string> {
  readonly #index: TableIndex<T>

  /**
   * Builds the table at once; for many routes on a live host use {@link RouteTable.build}.
   *
   * @throws FezzError `INVALID_MANIFEST`
   */
  constructor(routes: Iterable<Route<T>> | TableIndex<T> = []) {
    this.#index =
      routes instanceof TableIndex
        ? routes
        : runAtOnce(TableIndex.build(Array.from(routes, route => route.entry)))
  }

  /**
   * Builds a table in slices, with turns of the event loop between them.
   *
   * @throws FezzError `INVALID_MANIFEST`, or the signal's reason
   */
  static async build<T>(
    entries: Iterable<RouteEntry<T>>,
    { sliceMs = SLICE_MS, previous, signal }: BuildOptions<T> = {},
  ): Promise<RouteTable<T>> {
    const steps = TableIndex.build(
      [...entries],
      previous === undefined ? previous : previous.#index,
    )
    return new RouteTable(await runInSlices(steps, sliceMs, signal))
  }

  /** A table with one route more, behind those that are there; this one stays as it is. */
  add(route: Route<T>): RouteTable<T> {
    const entries = [...this.#index.entries, route.entry]
    return new RouteTable(runAtOnce(TableIndex.build(entries, this.#index)))
  }

  /** Its routes in the order of their declaration. */
  get entries(): readonly RouteEntry<T>[] {
    return this.#index.entries
  }

  /** How many sub-routers were built for this table, and how many taken over from the previous. */
  get routers(): { readonly built: number; readonly reused: number } {
    return this.#index.tally
  }

  /**
   * @param path as received, percent-encoded, without the query; compared after decoding
   * @param method upper case
   * @param host lower case, with or without a port; without it only routes for any host answer
   */
  find(path: string, method: string, host = ''): RouteMatch<T> {
    const isEncoded = path.includes('%')
    const canonical = isEncoded ? canonicalPath(path) : path
    if (canonical === undefined || canonical.charCodeAt(0) !== 47) return NOT_FOUND
    const routers = this.#index.routersOf(host)
    for (let index = 0; index < routers.length; index++) {
      const found = routers[index]!.find(method, canonical)
      if (found === undefined) continue
      if (isEncoded) restoreCaptures(found.params)
      return found
    }
    const methods = new Set<string>()
    for (const router of routers) router.collectMethods(canonical, methods)
    return methods.size === 0
      ? NOT_FOUND
      : { kind: 'method-not-allowed', allow: [...methods].sort() }
  }
}
