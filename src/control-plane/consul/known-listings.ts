import type { Revision } from '../store.ts'
import type { IndexedListing } from './listing.ts'

/** A watch begins soon after its listing; more of them would only hold memory. */
const PER_PREFIX = 4
const PREFIXES = 64

/** The last listings of each prefix: Consul tells whole listings, so a watch needs one to begin with. */
export class KnownListings {
  readonly #ofPrefix = new Map<string, readonly IndexedListing[]>()

  remember(prefix: string, listing: IndexedListing): void {
    const others = (this.#ofPrefix.get(prefix) ?? []).filter(
      ({ revision }) => revision !== listing.revision,
    )
    // Put anew, so that the map is in the order of use.
    this.#ofPrefix.delete(prefix)
    this.#ofPrefix.set(prefix, [listing, ...others].slice(0, PER_PREFIX))
    if (this.#ofPrefix.size <= PREFIXES) return
    for (const oldest of this.#ofPrefix.keys()) {
      this.#ofPrefix.delete(oldest)
      break
    }
  }

  latest(prefix: string): IndexedListing | undefined {
    return this.#ofPrefix.get(prefix)?.[0]
  }

  find(prefix: string, revision: Revision): IndexedListing | undefined {
    return this.#ofPrefix.get(prefix)?.find(listing => listing.revision === revision)
  }

  clear(): void {
    this.#ofPrefix.clear()
  }
}
