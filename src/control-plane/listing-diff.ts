import type { Steps } from '../routing/slices.ts'
import type { StoredValue, StoreEvent } from './store.ts'

type Entries = ReadonlyMap<string, StoredValue>

/** Comparing long values takes a while, looking at the time does too. */
const ENTRIES_PER_STEP = 32

/** The events that make `known` the same as `listed`. Neither may change meanwhile. */
export function* differences(known: Entries, listed: Entries): Steps<StoreEvent[]> {
  const events: StoreEvent[] = []
  let count = 0
  for (const [key, stored] of listed) {
    if (!sameStored(known.get(key), stored)) events.push({ key, stored })
    if (++count % ENTRIES_PER_STEP === 0) yield
  }
  for (const key of known.keys()) {
    if (!listed.has(key)) events.push({ key })
    if (++count % ENTRIES_PER_STEP === 0) yield
  }
  return events
}

function sameStored(a: StoredValue | undefined, b: StoredValue): boolean {
  // A store that has lost its data counts anew, so one revision may stand for two values.
  return a !== undefined && a.revision === b.revision && a.value === b.value
}
