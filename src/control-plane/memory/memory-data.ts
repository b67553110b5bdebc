import type { Clock } from '../../clock.ts'
import { FezzError } from '../../errors.ts'
import type { DeleteOptions, Listing, PutOptions, Revision, StoredValue } from '../store.ts'
import { ChangeLog } from './change-log.ts'
import { MemoryLease } from './memory-lease.ts'
import { SortedEntries } from './sorted-entries.ts'

/** What several {@link MemoryStore} objects share. */
export class MemoryData {
  readonly log: ChangeLog
  readonly clock: Clock
  readonly #entries = new SortedEntries()
  /** Of the keys that have one. */
  readonly #leases = new Map<string, MemoryLease>()

  constructor(clock: Clock, historyLimit: number | undefined) {
    this.clock = clock
    this.log = new ChangeLog(0, historyLimit)
  }

  list(prefix: string): Listing {
    return { entries: this.#entries.under(prefix), revision: String(this.log.revision) }
  }

  put(key: string, value: string, { lease, ifRevision }: PutOptions): Revision {
    if (ifRevision !== undefined) expectRevision(key, this.#entries.get(key), ifRevision)
    if (lease !== undefined) {
      if (!(lease instanceof MemoryLease) || lease.ended) {
        throw new FezzError('CONFLICT', `the lease for ${key} has ended; take another one`)
      }
      this.#leases.set(key, lease)
    } else {
      this.#leases.delete(key)
    }
    const revision = this.log.revision + 1
    const stored: StoredValue = { value, revision: String(revision) }
    this.#entries.set(key, stored)
    this.log.add([{ key, stored, revision }])
    return stored.revision
  }

  delete(key: string, { ifRevision }: DeleteOptions = {}): boolean {
    if (ifRevision !== undefined) expectRevision(key, this.#entries.get(key), ifRevision)
    if (!this.#entries.delete(key)) return false
    this.#leases.delete(key)
    this.log.add([{ key, revision: this.log.revision + 1 }])
    return true
  }

  leaseOf(key: string): MemoryLease | undefined {
    return this.#leases.get(key)
  }

  /** Deletes the keys of a lease that has ended. */
  release(lease: MemoryLease): void {
    for (const [key, holder] of [...this.#leases]) if (holder === lease) this.delete(key)
  }
}

/** @throws FezzError `CONFLICT` when what is stored is not of that revision; `null`: not absent */
export function expectRevision(
  key: string,
  stored: StoredValue | undefined,
  ifRevision: Revision | null,
): void {
  if ((stored?.revision ?? null) === ifRevision) return
  const found = stored === undefined ? 'is gone' : `is at revision ${stored.revision} now`
  throw new FezzError(
    'CONFLICT',
    ifRevision === null
      ? `${key} exists already, at revision ${stored?.revision}`
      : `${key} was expected at revision ${ifRevision} and ${found}; read it again`,
  )
}
