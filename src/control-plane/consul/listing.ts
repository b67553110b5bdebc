import type { Steps } from '../../routing/slices.ts'
import type { Listing, Revision, StoredValue } from '../store.ts'

/** An entry of Consul's answer. */
interface WireEntry {
  readonly Key: string
  /** In base64. */
  readonly Value: string | null
  readonly ModifyIndex: number
}

/** A listing with what the next blocking query needs. */
export interface IndexedListing extends Listing {
  /** Consul's index of the prefix. It may go back without anything having changed. */
  readonly index: number
}

/** Where one entry ends and the next one begins, unless that is in a key. */
const BOUNDARY = '},{"'

/** What is known already, for what needs not be made again. */
export interface KnownEntries {
  readonly entries: ReadonlyMap<string, StoredValue> | undefined
  /** Whether one revision means one value: not so when the server may have lost its data meanwhile. */
  readonly sameHistory: boolean
}

/**
 * Parses a listing in small steps, one for each piece as it came: one of 10,000 entries is some
 * 10 MB.
 */
export function* readEntries(
  chunks: readonly Buffer[],
  known: KnownEntries,
): Steps<Map<string, StoredValue>> {
  const entries = new Map<string, StoredValue>()
  for (const part of parts(chunks)) {
    for (const entry of part) entries.set(entry.Key, storedOf(entry, known))
    yield
  }
  return entries
}

function storedOf({ Key, Value, ModifyIndex }: WireEntry, known: KnownEntries): StoredValue {
  const revision: Revision = String(ModifyIndex)
  const before = known.entries?.get(Key)
  const isSame = before?.revision === revision
  if (isSame && known.sameHistory) return before
  const value = Buffer.from(Value ?? '', 'base64').toString()
  return isSame && before.value === value ? before : { value, revision }
}

/** Entries as soon as they are complete. */
function* parts(chunks: readonly Buffer[]): Generator<readonly WireEntry[], void, void> {
  let held: Buffer[] = []
  let opening = ''
  for (const chunk of chunks) {
    held.push(chunk)
    if (!chunk.includes(BOUNDARY)) continue
    const bytes = Buffer.concat(held)
    const cut = bytes.lastIndexOf(BOUNDARY) + 1
    const part = parsed(`${opening}${bytes.toString('utf8', 0, cut)}]`)
    // What looked like a boundary was in a key: the next one will do.
    held = [part === undefined ? bytes : bytes.subarray(cut + 1)]
    if (part === undefined) continue
    opening = '['
    yield part
  }
  if (held.length > 0) yield JSON.parse(opening + Buffer.concat(held)) as readonly WireEntry[]
}

function parsed(text: string): readonly WireEntry[] | undefined {
  try {
    return JSON.parse(text) as readonly WireEntry[]
  } catch {
    return undefined
  }
}
