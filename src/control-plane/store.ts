/**
 * A position in the history of a store: decimal digits. It grows with every change, for as long as
 * the store keeps its data; compare with {@link compareRevisions}.
 */
export type Revision = string

/** A value and the revision that put it there. */
export interface StoredValue {
  readonly value: string
  readonly revision: Revision
}

/** All keys under a prefix, as they were together at one revision. */
export interface Listing {
  readonly entries: ReadonlyMap<string, StoredValue>
  readonly revision: Revision
}

/** One key after a change; `stored` is absent when the key was deleted. */
export interface StoreEvent {
  readonly key: string
  readonly stored?: StoredValue
}

/**
 * What changed between two moments, each key at most once. After it, whoever follows the watch
 * knows everything up to `revision`.
 */
export interface StoreChange {
  readonly events: readonly StoreEvent[]
  readonly revision: Revision
}

export interface PutOptions {
  /** The key goes when this lease does, and with no other one that it was put under before. */
  readonly lease?: Lease
  /** Put only if the key's value still has this revision; `null`: only if there is no such key. */
  readonly ifRevision?: Revision | null
}

export interface DeleteOptions {
  /** Delete only if there is such a key and its value still has this revision. */
  readonly ifRevision?: Revision
}

/** Keys that live as long as somebody keeps them alive. */
export interface Lease extends AsyncDisposable {
  /**
   * Resolves with the reason when the lease has ended without {@link revoke}, or can no longer be
   * vouched for, also because its store was closed. Never rejects.
   */
  readonly lost: Promise<string>
  /** Ends it and deletes its keys. Idempotent; what fails is left to the expiry. */
  revoke(): Promise<void>
}

/**
 * The control plane's source of truth: ordered keys and text values. Small enough to implement in a
 * page; whatever is clever (resync, parsing, snapshots) is written once, above it.
 *
 * Every call settles within the time limit the store was made with. Errors are `FezzError`:
 * `STORE_UNAVAILABLE` when the store does not answer or is closed, `CONFLICT` when a condition
 * (`ifRevision`) does not hold or a lease has ended, `INVALID_ENTRY` for a key or a value that it
 * cannot hold, `WATCH_LOST` when a watch has to be begun anew.
 */
export interface Store extends AsyncDisposable {
  readonly kind: 'memory' | 'file' | 'etcd' | 'consul'

  /** Everything whose key begins with `prefix`, in the order of the keys. */
  list(prefix: string): Promise<Listing>

  /**
   * A put that runs into the time limit may still take effect later. One under a lease that has ended
   * is a `CONFLICT`.
   *
   * @returns the revision of the change
   */
  put(key: string, value: string, options?: PutOptions): Promise<Revision>

  /** @returns whether there was such a key */
  delete(key: string, options?: DeleteOptions): Promise<boolean>

  /**
   * The changes under `prefix` since `from`, the revision of a listing of the same prefix that this
   * very store object has made. Every change is told once, in order; several of one key may be told
   * as one. Only ends when `signal` aborts, and then silently; otherwise it throws: `WATCH_LOST` or
   * `STORE_UNAVAILABLE`. Then list again.
   */
  watch(prefix: string, from: Revision, signal: AbortSignal): AsyncIterable<StoreChange>

  /**
   * A lease that is kept alive until it is revoked or this store is closed; a store that is closed
   * leaves it to expire.
   *
   * @param ttlMs how long it outlives the last sign of life, at most; a store may round it up to
   *   its own minimum
   */
  lease(ttlMs: number): Promise<Lease>

  /** Ends watches and connections. Idempotent. */
  close(): Promise<void>
}

/** Negative when `a` is before `b`, 0 when they are the same. */
export function compareRevisions(a: Revision, b: Revision): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0)
}
