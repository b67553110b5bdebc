import { canonicalPath } from './canonical-path.ts'
import { MethodRouter } from './method-router.ts'
import type { RouteFound } from './path-tree.ts'
import type { RouteEntry } from './route.ts'
import type { Steps } from './slices.ts'

/** Routes that stay together: so many are built anew when one of them changes. */
const LEAF_ROUTES = 128

/** Fewer for each shard than this, and they are put together again. */
const SPARSE_ROUTES = 8

/** The part of those that are split whose segment there is no literal. */
const REST = -1

/** How many sub-routers a build made; the others are those of the table before. */
export interface RouterTally {
  built: number
}

type Entries<T> = readonly RouteEntry<T>[]

/** Routes that go and routes that come, all of them of one host and one priority. */
export interface EntryChange<T> {
  /** Of those there, the very objects. */
  readonly remove: Entries<T>
  readonly add: Entries<T>
  /** Which target comes first where routes are alike. Absent: what is added comes last. */
  readonly compare?: ((a: T, b: T) => number) | undefined
}

/**
 * The routes of one host at one priority. Many are split by the hash of a segment, from the left,
 * until few are together: then a change rebuilds few, and no tree is too large to be made by the
 * request that first needs it. Patterns with a capture in that segment, or without it, are kept
 * apart and asked last, for a literal beats them. Immutable: a change shares what stays the same.
 */
export class SegmentRouter<T> {
  /** How many routes it has. */
  readonly size: number
  /** Which segment it splits by: 0 is the first. */
  readonly #depth: number
  /** Set where the routes are not split. */
  readonly #leaf: MethodRouter<T> | undefined
  /** By hash, a power of two of them; `undefined` where there is no route. */
  readonly #shards: readonly (SegmentRouter<T> | undefined)[]
  readonly #rest: SegmentRouter<T> | undefined

  private constructor(
    depth: number,
    size: number,
    leaf: MethodRouter<T> | undefined,
    shards: readonly (SegmentRouter<T> | undefined)[] = [],
    rest?: SegmentRouter<T>,
  ) {
    this.#depth = depth
    this.size = size
    this.#leaf = leaf
    this.#shards = shards
    this.#rest = rest
  }

  /** @throws FezzError `INVALID_MANIFEST` */
  static *build<T>(entries: Entries<T>, tally: RouterTally, depth = 0): Steps<SegmentRouter<T>> {
    // Where no pattern has a segment, nothing tells them apart further on.
    const isSplit =
      entries.length > LEAF_ROUTES && entries.some(entry => segmentOf(entry, depth) !== undefined)
    if (!isSplit) {
      tally.built++
      return new SegmentRouter(depth, entries.length, yield* MethodRouter.build(entries))
    }
    const count = 2 ** Math.ceil(Math.log2((2 * entries.length) / LEAF_ROUTES))
    const empty = new SegmentRouter<T>(depth, 0, undefined, new Array(count).fill(undefined))
    return yield* empty.#changeParts({ remove: [], add: entries }, tally)
  }

  /**
   * @returns the router with the changes, `undefined` when it has no routes; this one stays as it is
   * @throws FezzError `INVALID_MANIFEST`
   */
  *change(change: EntryChange<T>, tally: RouterTally): Steps<SegmentRouter<T> | undefined> {
    const size = this.size + change.add.length - change.remove.length
    if (this.#leaf === undefined && this.#suits(size))
      return yield* this.#changeParts(change, tally)
    const { remove, add, compare } = change
    const gone = new Set(remove)
    const entries = [...this.entries()].filter(entry => !gone.has(entry)).concat(add)
    if (entries.length === 0) return undefined
    if (compare !== undefined) entries.sort((a, b) => compare(a.target, b.target))
    return yield* SegmentRouter.build(entries, tally, this.#depth)
  }

  *#changeParts(change: EntryChange<T>, tally: RouterTally): Steps<SegmentRouter<T>> {
    const shards = [...this.#shards]
    let rest = this.#rest
    let { size } = this
    for (const [index, part] of yield* split(change, this.#depth, shards.length)) {
      const before = index === REST ? rest : shards[index]
      const after =
        before === undefined
          ? yield* SegmentRouter.build(part.add, tally, this.#depth + 1)
          : yield* before.change(part, tally)
      if (index === REST) rest = after
      else shards[index] = after
      size += (after?.size ?? 0) - (before?.size ?? 0)
    }
    return new SegmentRouter(this.#depth, size, undefined, shards, rest)
  }

  /** Whether there are as many shards as so many routes should have, more or less. */
  #suits(size: number): boolean {
    const { length } = this.#shards
    return size <= length * LEAF_ROUTES && size >= length * SPARSE_ROUTES
  }

  /** Its routes; those alike in the order in which they are tried. */
  *entries(): Generator<RouteEntry<T>> {
    if (this.#leaf !== undefined) yield* this.#leaf.entries
    for (const shard of this.#shards) if (shard !== undefined) yield* shard.entries()
    if (this.#rest !== undefined) yield* this.#rest.entries()
  }

  /**
   * @param path canonical
   * @param start where the segment begins that this router splits by
   */
  find(method: string, path: string, start = 1): RouteFound<T> | undefined {
    if (this.#leaf !== undefined) return this.#leaf.find(method, path)
    const end = segmentEnd(path, start)
    return (
      this.#shardOf(path, start, end)?.find(method, path, end + 1) ??
      this.#rest?.find(method, path, end + 1)
    )
  }

  /** Adds the methods that would find a route for the path. */
  collectMethods(path: string, into: Set<string>, start = 1): void {
    this.#leaf?.collectMethods(path, into)
    if (this.#leaf !== undefined) return
    const end = segmentEnd(path, start)
    this.#shardOf(path, start, end)?.collectMethods(path, into, end + 1)
    this.#rest?.collectMethods(path, into, end + 1)
  }

  #shardOf(path: string, start: number, end: number): SegmentRouter<T> | undefined {
    return this.#shards[hashOf(path, start, end) & (this.#shards.length - 1)]
  }
}

/** The change of each part that has one: by the hash of the segment, or {@link REST}. */
function* split<T>(
  { remove, add, compare }: EntryChange<T>,
  depth: number,
  count: number,
): Steps<Map<number, EntryChange<T>>> {
  type Part = EntryChange<T> & { readonly remove: RouteEntry<T>[]; readonly add: RouteEntry<T>[] }
  const parts = new Map<number, Part>()
  const partOf = (entry: RouteEntry<T>): Part => {
    const index = shardIndexOf(entry, depth, count)
    let part = parts.get(index)
    if (part === undefined) {
      part = { remove: [], add: [], compare }
      parts.set(index, part)
    }
    return part
  }
  yield* distribute({ remove, add }, partOf)
  return parts
}

/** Puts every entry of a change into the part of the change that it belongs to. */
export function* distribute<T>(
  { remove, add }: Pick<EntryChange<T>, 'remove' | 'add'>,
  partOf: (entry: RouteEntry<T>) => {
    readonly remove: RouteEntry<T>[]
    readonly add: RouteEntry<T>[]
  },
): Steps<void> {
  for (const entry of remove) {
    partOf(entry).remove.push(entry)
    yield
  }
  for (const entry of add) {
    partOf(entry).add.push(entry)
    yield
  }
}

function shardIndexOf(entry: RouteEntry<unknown>, depth: number, count: number): number {
  const segment = segmentOf(entry, depth)
  if (segment === undefined || segment[0] === ':' || segment === '*') return REST
  const text = canonicalPath(segment) ?? segment
  return hashOf(text, 0, text.length) & (count - 1)
}

/** `undefined` when the pattern has none there. */
function segmentOf({ path }: RouteEntry<unknown>, depth: number): string | undefined {
  return path.split('/', depth + 2)[depth + 1]
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
