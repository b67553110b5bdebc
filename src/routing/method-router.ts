import { type PathPattern, parsePath } from './path-pattern.ts'
import { PathTree, type RouteFound } from './path-tree.ts'
import type { RouteEntry } from './route.ts'
import type { Steps } from './slices.ts'

type Methods = RouteEntry<unknown>['methods']

/**
 * Routes that differ in method and path only. Each method that a route names has a tree of its own,
 * which holds the `ANY` routes too, so that a path is never lost to a more specific pattern that
 * does not answer the method.
 */
export class MethodRouter<T> {
  /** What it was built from. */
  readonly entries: readonly RouteEntry<T>[]
  readonly #trees = new Map<string, PathTree<T>>()
  /** Methods no route names: `ANY` routes only. */
  readonly #others = new PathTree<T>()

  private constructor(entries: readonly RouteEntry<T>[]) {
    this.entries = entries
  }

  /** @throws FezzError `INVALID_MANIFEST` */
  static *build<T>(entries: readonly RouteEntry<T>[]): Steps<MethodRouter<T>> {
    const router = new MethodRouter(entries)
    const patterns: PathPattern[] = []
    for (const { path } of entries) {
      patterns.push(parsePath(path))
      yield
    }
    const fill = function* (tree: PathTree<T>, wants: (methods: Methods) => boolean): Steps<void> {
      for (const [index, { methods, target }] of entries.entries()) {
        if (wants(methods)) tree.add(patterns[index]!, target)
        yield
      }
    }

    const named = new Set(entries.flatMap(({ methods }) => (methods === 'ANY' ? [] : methods)))
    for (const method of named) {
      const tree = new PathTree<T>()
      // Of two patterns alike, the one that names HEAD answers it, not a GET declared earlier.
      if (method === 'HEAD') yield* fill(tree, methods => methods.includes('HEAD'))
      yield* fill(tree, methods => answers(methods, method))
      router.#trees.set(method, tree)
    }
    const get = router.#trees.get('GET')
    if (get !== undefined && !named.has('HEAD')) router.#trees.set('HEAD', get)
    yield* fill(router.#others, methods => methods === 'ANY')
    return router
  }

  /** @param path canonical */
  find(method: string, path: string): RouteFound<T> | undefined {
    return (this.#trees.get(method) ?? this.#others).find(path)
  }

  /** Adds the methods that would find a route for the path. */
  collectMethods(path: string, into: Set<string>): void {
    for (const [method, tree] of this.#trees) {
      if (tree.find(path) !== undefined) into.add(method)
    }
  }
}

function answers(methods: Methods, method: string): boolean {
  return (
    methods === 'ANY' || methods.includes(method) || (method === 'HEAD' && methods.includes('GET'))
  )
}
