import { parseHost, withoutPort } from './host-pattern.ts'
import { checkPriority, type RouteEntry } from './route.ts'
import { distribute, type EntryChange, type RouterTally, SegmentRouter } from './segment-router.ts'
import type { Steps } from './slices.ts'

/** Routers in the order in which they are asked. */
type RouterList<T> = readonly SegmentRouter<T>[]

/** The routes of one host at one priority. */
interface Section<T> {
  /** Exact, `.suffix`, or empty for any host. */
  readonly host: string
  readonly priority: number
  readonly router: SegmentRouter<T>
}

/** What becomes different in a {@link Section}, while it is gathered. */
interface Draft<T> extends Pick<Section<T>, 'host' | 'priority'> {
  readonly remove: RouteEntry<T>[]
  readonly add: RouteEntry<T>[]
}

/**
 * From a host to the routers to ask: highest priority first; within one, those of the exact host,
 * of the suffixes (longest first), of any host. The lists are made when the table is built.
 */
export class TableIndex<T> {
  readonly #sections: ReadonlyMap<string, Section<T>>
  readonly tally: Readonly<RouterTally>
  readonly #exact = new Map<string, RouterList<T>>()
  readonly #suffixes = new Map<string, RouterList<T>>()
  #any: RouterList<T> = []
  #longestSuffix = 0

  /** Without routes; {@link change} makes one that has some. */
  constructor(
    sections: ReadonlyMap<string, Section<T>> = new Map(),
    tally: RouterTally = { built: 0 },
  ) {
    this.#sections = sections
    this.tally = tally
  }

  /** How many routes there are. */
  get size(): number {
    let size = 0
    for (const { router } of this.#sections.values()) size += router.size
    return size
  }

  /** The routes; those alike in the order in which they are tried. */
  *entries(): Generator<RouteEntry<T>> {
    for (const { router } of this.#sections.values()) yield* router.entries()
  }

  /**
   * @returns an index with the changes; this one stays as it is
   * @throws FezzError `INVALID_MANIFEST`
   */
  *change(change: EntryChange<T>): Steps<TableIndex<T>> {
    const tally = { built: 0 }
    const sections = new Map(this.#sections)
    for (const [key, { host, priority, remove, add }] of yield* gather(change)) {
      const before = sections.get(key)?.router
      const router =
        before === undefined
          ? yield* SegmentRouter.build(add, tally)
          : yield* before.change({ remove, add, compare: change.compare }, tally)
      if (router === undefined) sections.delete(key)
      else sections.set(key, { host, priority, router })
    }
    const byHost = new Map<string, Section<T>[]>([['', []]])
    for (const section of sections.values()) {
      const ofHost = byHost.get(section.host)
      if (ofHost === undefined) byHost.set(section.host, [section])
      else ofHost.push(section)
    }
    const index = new TableIndex(sections, tally)
    for (const host of byHost.keys()) {
      index.#addHost(host, byHost)
      yield
    }
    return index
  }

  #addHost(host: string, byHost: ReadonlyMap<string, readonly Section<T>[]>): void {
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

function* gather<T>({ remove, add }: EntryChange<T>): Steps<Map<string, Draft<T>>> {
  const drafts = new Map<string, Draft<T>>()
  const hosts = new Map<string, string>()
  const draftOf = ({ host: written = '', priority }: RouteEntry<T>): Draft<T> => {
    let host = hosts.get(written)
    if (host === undefined) {
      host = written === '' ? '' : parseHost(written).replace(/^\*/, '')
      hosts.set(written, host)
    }
    const key = `${priority} ${host}`
    let draft = drafts.get(key)
    if (draft === undefined) {
      checkPriority(priority)
      draft = { host, priority, remove: [], add: [] }
      drafts.set(key, draft)
    }
    return draft
  }
  yield* distribute({ remove, add }, draftOf)
  return drafts
}

/** Suffixes that cover a host, longest first: of `a.b.c` `.b.c` and `.c`; of `.b.c` `.c`. */
function* suffixesOf(host: string): Generator<string> {
  for (let dot = host.indexOf('.', 1); dot !== -1; dot = host.indexOf('.', dot + 1)) {
    yield host.slice(dot)
  }
}
