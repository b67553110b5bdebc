import { canonicalPath } from './canonical-path.ts'
import { MethodRouter } from './method-router.ts'
import type { RouteFound } from './path-tree.ts'
import type { RouteEntry } from './route.ts'
import type { Steps } from './slices.ts'

/** Routes that stay together: so many are built anew when one of them changes. */
const LEAF_ROUTES = 128

/** How many sub-routers a build made, and how many it took over. */
export interface RouterTally {
  built: number
  reused: number
}

type Entries<T> = readonly RouteEntry<T>[]

/**
 * The routes of one host at one priority. Many are split by the hash of a segment, from the left,
 * until few are together: then a change rebuilds few, and no tree is too large to be made by the
 * request that first needs it. Patterns with a capture in that segment, or without it, are kept
 * apart and asked last, for a literal beats them.
 */
export class SegmentRouter<T> {
  /** Set where the routes are not split. */
  readonly leaf: MethodRouter<T> | undefined
  /** By hash, a power of two of them; a hole where there is no route. */
  readonly shards: readonly (SegmentRouter<T> | undefined)[]
  readonly rest: SegmentRouter<T> | undefined

  private constructor(
    leaf: MethodRouter<T> | undefined,
    shards: readonly (SegmentRouter<T> | undefined)[] = [],
    rest?: SegmentRouter<T>,
  ) {
    this.leaf = leaf
    this.shards = shards
    this.rest = rest
  }

  /**
   * @param previous one whose unchanged parts are taken over
   * @throws FezzError `INVALID_MANIFEST`
   */
  static *build<T>(
    entries: Entries<T>,
    tally: RouterTally,
    previous?: SegmentRouter<T>,
    depth = 0,
  ): Steps<SegmentRouter<T>> {
    const parts = entries.length > LEAF_ROUTES ? yield* split(entries, depth) : undefined
    if (parts === undefined) {
      const leaf = previous?.leaf
      const isReusable = leaf?.isBuiltFrom(entries) === true
      tally[isReusable ? 'reused' : 'built']++
      return new SegmentRouter(isReusable ? leaf : yield* MethodRouter.build(entries))
    }
    const candidates = previous?.shards.length === parts.shards.length ? previous.shards : []
    const shards: (SegmentRouter<T> | undefined)[] = []
    for (const [index, part] of parts.shards.entries()) {
      const isHole = part.length === 0
      shards.push(
        isHole ? undefined : yield* SegmentRouter.build(part, tally, candidates[index], depth + 1),
      )
    }
    const rest =
      parts.rest.length === 0
        ? undefined
        : yield* SegmentRouter.build(parts.rest, tally, previous?.rest, depth + 1)
    return new SegmentRouter(undefined, shards, rest)
  }

  /**
   * @param path canonical
   * @param start where the segment begins that this router splits by
   */
  find(method: string, path: string, start = 1): RouteFound<T> | undefined {
    if (this.leaf !== undefined) return this.leaf.find(method, path)
    const end = segmentEnd(path, start)
    return (
      this.#shardOf(path, start, end)?.find(method, path, end + 1) ??
      this.rest?.find(method, path, end + 1)
    )
  }

  /** Adds the methods that would find a route for the path. */
  collectMethods(path: string, into: Set<string>, start = 1): void {
    this.leaf?.collectMethods(path, into)
    if (this.leaf !== undefined) return
    const end = segmentEnd(path, start)
    this.#shardOf(path, start, end)?.collectMethods(path, into, end + 1)
    this.rest?.collectMethods(path, into, end + 1)
  }

  #shardOf(path: string, start: number, end: number): SegmentRouter<T> | undefined {
    return this.shards[hashOf(path, start, end) & (this.shards.length - 1)]
  }
}

/** `undefined` when no pattern has a segment there: then nothing tells them apart further on. */
function* split<T>(
  entries: Entries<T>,
  depth: number,
): Steps<{ shards: Entries<T>[]; rest: Entries<T> } | undefined> {
  const count = 2 ** Math.ceil(Math.log2((2 * entries.length) / LEAF_ROUTES))
  const shards = Array.from({ length: count }, (): RouteEntry<T>[] => [])
  const rest: RouteEntry<T>[] = []
  let isPastAll = true
  for (const entry of entries) {
    const segment = entry.path.split('/', depth + 2)[depth + 1]
    if (segment !== undefined) isPastAll = false
    if (segment === undefined || segment[0] === ':' || segment === '*') {
      rest.push(entry)
    } else {
      const text = canonicalPath(segment) ?? segment
      shards[hashOf(text, 0, text.length) & (count - 1)]!.push(entry)
    }
    yield
  }
  return isPastAll ? undefined : { shards, rest }
}

function segmentEnd(path: string, start: number): number {
  const slash = path.indexOf('/', start)
  return slash === -1 ? path.length : slash
}

function hashOf(text: string, start: number, end: number): number {
  let hash = 0
  // A request's segment may be very long; a pattern's that is only makes for a larger shard.
  const last = Math.min(end, start + 64)
  for (let index = start; index < last; index++) hash = (hash * 31 + text.charCodeAt(index)) | 0
  return hash
}
