import { parseHost, withoutPort } from './host-pattern.ts'
import { checkPriority, type RouteEntry } from './route.ts'
import { type RouterTally, SegmentRouter } from './segment-router.ts'
import type { Steps } from './slices.ts'

/** Routers in the order in which they are asked. */
type RouterList<T> = readonly SegmentRouter<T>[]

interface RankedRouter<T> {
  readonly priority: number
  readonly router: SegmentRouter<T>
}

/** The routes of one host at one priority, while they are gathered. */
interface Draft<T> {
  /** Exact, `.suffix`, or empty for any host. */
  readonly host: string
  readonly priority: number
  readonly entries: RouteEntry<T>[]
}

/**
 * From a host to the routers to ask: highest priority first; within one, those of the exact host,
 * of the suffixes (longest first), of any host. The lists are made when the table is built.
 */
export class TableIndex<T> {
  readonly entries: readonly RouteEntry<T>[]
  readonly tally: Readonly<RouterTally>
  /** By priority and host. */
  readonly routers: ReadonlyMap<string, SegmentRouter<T>>
  readonly #exact = new Map<string, RouterList<T>>()
  readonly #suffixes = new Map<string, RouterList<T>>()
  #any: RouterList<T> = []
  #longestSuffix = 0

  private constructor(
    entries: readonly RouteEntry<T>[],
    routers: ReadonlyMap<string, SegmentRouter<T>>,
    tally: RouterTally,
  ) {
    this.entries = entries
    this.routers = routers
    this.tally = tally
  }

  /** @throws FezzError `INVALID_MANIFEST` */
  static *build<T>(
    entries: readonly RouteEntry<T>[],
    previous?: TableIndex<T>,
  ): Steps<TableIndex<T>> {
    const drafts = yield* gather(entries)
    const tally = { built: 0, reused: 0 }
    const routers = new Map<string, SegmentRouter<T>>()
    const byHost = new Map<string, RankedRouter<T>[]>([['', []]])
    for (const [key, { host, priority, entries: own }] of drafts) {
      const router = yield* SegmentRouter.build(own, tally, previous?.routers.get(key))
      routers.set(key, router)
      const routersOfHost = byHost.get(host)
      if (routersOfHost === undefined) byHost.set(host, [{ priority, router }])
      else routersOfHost.push({ priority, router })
    }
    const index = new TableIndex(entries, routers, tally)
    for (const host of byHost.keys()) {
      index.#addHost(host, byHost)
      yield
    }
    return index
  }

  #addHost(host: string, byHost: ReadonlyMap<string, readonly RankedRouter<T>[]>): void {
    const ranked = [...byHost.get(host)!]
    if (host !== '') {
      for (const suffix of suffixesOf(host)) ranked.push(...(byHost.get(suffix) ?? []))
      ranked.push(...byHost.get('')!)
    }
    // Stable: within one priority the nearer host stays first.
    const list = ranked.sort((a, b) => b.priority - a.priority).map(({ router }) => router)
    if (host === '') this.#any = list
    else if (!host.startsWith('.')) this.#exact.set(host, list)
    else {
      this.#suffixes.set(host, list)
      this.#longestSuffix = Math.max(this.#longestSuffix, host.length)
    }
  }

  /** @param authority lower case, with or without a port; empty when there is none */
  routersOf(authority: string): RouterList<T> {
    if (authority === '' || (this.#exact.size === 0 && this.#suffixes.size === 0)) return this.#any
    const host = withoutPort(authority)
    const exact = this.#exact.get(host)
    if (exact !== undefined || this.#suffixes.size === 0) return exact ?? this.#any
    // Bounds what a host of a thousand labels costs.
    const start = Math.max(1, host.length - this.#longestSuffix)
    for (let dot = host.indexOf('.', start); dot !== -1; dot = host.indexOf('.', dot + 1)) {
      const list = this.#suffixes.get(host.slice(dot))
      if (list !== undefined) return list
    }
    return this.#any
  }
}

function* gather<T>(entries: readonly RouteEntry<T>[]): Steps<Map<string, Draft<T>>> {
  const drafts = new Map<string, Draft<T>>()
  const hosts = new Map<string, string>()
  for (const entry of entries) {
    const written = entry.host ?? ''
    let host = hosts.get(written)
    if (host === undefined) {
      host = written === '' ? '' : parseHost(written).replace(/^\*/, '')
      hosts.set(written, host)
    }
    const key = `${entry.priority} ${host}`
    const draft = drafts.get(key)
    if (draft === undefined) {
      checkPriority(entry.priority)
      drafts.set(key, { host, priority: entry.priority, entries: [entry] })
    } else {
      draft.entries.push(entry)
    }
    yield
  }
  return drafts
}

/** Suffixes that cover a host, longest first: of `a.b.c` `.b.c` and `.c`; of `.b.c` `.c`. */
function* suffixesOf(host: string): Generator<string> {
  for (let dot = host.indexOf('.', 1); dot !== -1; dot = host.indexOf('.', dot + 1)) {
    yield host.slice(dot)
  }
}
