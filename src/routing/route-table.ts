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

/** How {@link RouteTable.build} and {@link RouteTable.change} go about it. */
export interface BuildOptions {
  /** Time between turns of the event loop, in milliseconds. Default {@link SLICE_MS}. */
  readonly sliceMs?: number
  /** Gives the build up. */
  readonly signal?: AbortSignal | undefined
}

/** What is to be different in a table. */
export interface RouteChange<T> {
  /** Of the table's {@link RouteTable.entries}, the very objects. */
  readonly remove?: readonly RouteEntry<T>[]
  readonly add?: readonly RouteEntry<T>[]
  /**
   * Which of two targets comes first where their routes are alike. It has to be the same with each
   * change of a table. Default: the one that was added first.
   */
  readonly compare?: (a: T, b: T) => number
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
        : runAtOnce(
            new TableIndex<T>().change({
              remove: [],
              add: Array.from(routes, route => route.entry),
            }),
          )
  }

  /**
   * Builds a table in slices, with turns of the event loop between them.
   *
   * @throws FezzError `INVALID_MANIFEST`, or the signal's reason
   */
  static build<T>(
    entries: Iterable<RouteEntry<T>>,
    options?: BuildOptions,
  ): Promise<RouteTable<T>> {
    return new RouteTable<T>().change({ add: [...entries] }, options)
  }

  /**
   * A table with some routes more or less; this one stays as it is. It takes as long as the change is
   * large, however many routes there are. In slices too.
   *
   * @throws FezzError `INVALID_MANIFEST`, or the signal's reason
   */
  async change(
    { remove = [], add = [], compare }: RouteChange<T>,
    { sliceMs = SLICE_MS, signal }: BuildOptions = {},
  ): Promise<RouteTable<T>> {
    const ordered = compare && add.toSorted((a, b) => compare(a.target, b.target))
    const steps = this.#index.change({ remove, add: ordered ?? add, compare })
    return new RouteTable(await runInSlices(steps, sliceMs, signal))
  }

  /** A table with one route more, behind those that are there; this one stays as it is. */
  add(route: Route<T>): RouteTable<T> {
    return new RouteTable(runAtOnce(this.#index.change({ remove: [], add: [route.entry] })))
  }

  /** How many routes it has. */
  get size(): number {
    return this.#index.size
  }

  /** Its routes; those alike in the order in which they are tried. */
  get entries(): readonly RouteEntry<T>[] {
    return [...this.#index.entries()]
  }

  /** How many sub-routers were built for this table; the others are those of the one before. */
  get routersBuilt(): number {
    return this.#index.tally.built
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
