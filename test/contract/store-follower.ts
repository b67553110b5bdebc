import {
  compareRevisions,
  type Listing,
  type Revision,
  type Store,
  type StoreChange,
} from '../../src/control-plane/store.ts'

/** How long {@link Follower.until} waits. */
const PATIENCE_MS = 15_000

/**
 * Lists and watches a prefix, as the layer above a store does, and holds every change against what
 * the port promises of changes.
 */
export class Follower implements AsyncDisposable {
  /** The value of each key, as far as it has been told. */
  readonly picture: Map<string, string>
  /** Everything that was told. */
  readonly changes: StoreChange[] = []
  /** `undefined` when the watch has ended silently, otherwise what it has thrown. */
  readonly ended: Promise<unknown>
  readonly #prefix: string
  readonly #controller = new AbortController()
  readonly #violations: string[] = []
  #revision: Revision
  #failure: { readonly cause: unknown } | undefined
  #wake = Promise.withResolvers<void>()

  /** @param listing where to begin; a listing of this prefix by this store object */
  constructor(store: Store, prefix: string, listing: Listing) {
    this.#prefix = prefix
    this.#revision = listing.revision
    this.picture = pictureOf(listing)
    this.ended = this.#follow(store.watch(prefix, listing.revision, this.#controller.signal))
  }

  /** Lists, and watches from there. */
  static async start(store: Store, prefix: string): Promise<Follower> {
    return new Follower(store, prefix, await store.list(prefix))
  }

  /** Every key told, in order; several times when told several times. */
  get keysTold(): string[] {
    return this.changes.flatMap(change => change.events.map(event => event.key))
  }

  /** Resolves when `condition` holds. @throws when it does not in time, or the watch is at fault */
  async until(condition: () => boolean, what: string): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<'late'>()
    const timer = setTimeout(resolve, PATIENCE_MS, 'late')
    try {
      for (;;) {
        this.check()
        if (condition()) return
        if (this.#failure !== undefined) {
          throw new Error(`the watch ended before ${what}`, { cause: this.#failure.cause })
        }
        if ((await Promise.race([this.#wake.promise, late])) === 'late') {
          const told = this.keysTold.map(key => key.slice(this.#prefix.length)).slice(-20)
          throw new Error(`not within ${PATIENCE_MS} ms: ${what}; told last: ${told.join(' ')}`)
        }
      }
    } finally {
      clearTimeout(timer)
    }
  }

  /** Resolves when the picture has `key` with `value`; `undefined`: has no such key. */
  untilHas(key: string, value: string | undefined): Promise<void> {
    return this.until(() => this.picture.get(key) === value, `${key} is ${value ?? 'gone'}`)
  }

  /** @throws when a change has broken a promise of the port */
  check(): void {
    if (this.#violations.length > 0) throw new Error(this.#violations.join('\n'))
  }

  /** Aborts the watch. @returns what it has thrown, if anything */
  stop(): Promise<unknown> {
    this.#controller.abort()
    return this.ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #follow(changes: AsyncIterable<StoreChange>): Promise<unknown> {
    try {
      for await (const change of changes) {
        this.#inspect(change)
        this.#apply(change)
        this.#signal()
      }
      this.#failure = { cause: undefined }
      return undefined
    } catch (cause) {
      this.#failure = { cause }
      return cause
    } finally {
      this.#signal()
    }
  }

  #signal(): void {
    this.#wake.resolve()
    this.#wake = Promise.withResolvers()
  }

  #inspect({ events, revision }: StoreChange): void {
    const keys = events.map(event => event.key)
    if (new Set(keys).size < keys.length) this.#violation(`a key twice in one change: ${keys}`)
    if (compareRevisions(revision, this.#revision) < 0) {
      this.#violation(`a change of revision ${revision} after ${this.#revision}`)
    }
    for (const { key, stored } of events) {
      if (!key.startsWith(this.#prefix)) this.#violation(`${key} is not under ${this.#prefix}`)
      if (stored === undefined) continue
      if (compareRevisions(stored.revision, this.#revision) <= 0) {
        this.#violation(
          `${key} of revision ${stored.revision}, when everything up to ${this.#revision} was known`,
        )
      }
      if (compareRevisions(stored.revision, revision) > 0) {
        this.#violation(`${key} of revision ${stored.revision} in a change of ${revision}`)
      }
    }
  }

  #apply({ events, revision }: StoreChange): void {
    for (const { key, stored } of events) {
      if (stored === undefined) this.picture.delete(key)
      else this.picture.set(key, stored.value)
    }
    this.changes.push({ events, revision })
    this.#revision = revision
  }

  #violation(message: string): void {
    this.#violations.push(message)
  }
}

/** The value of each key. */
export function pictureOf(listing: Listing): Map<string, string> {
  return new Map([...listing.entries].map(([key, { value }]) => [key, value]))
}
