import { pause } from '../../backoff.ts'
import { FezzError } from '../../errors.ts'
import { runInSlices, SLICE_MS } from '../../routing/slices.ts'
import { differences } from '../listing-diff.ts'
import type { StoreChange } from '../store.ts'
import { listBelow, probe } from './calls.ts'
import type { Connection } from './connection.ts'
import { type IndexedListing, readEntries } from './listing.ts'
import type { Pulse } from './pulse.ts'
import { type Rate, TokenBucket } from './token-bucket.ts'

export interface WatchOptions {
  readonly connection: Connection
  readonly pulse: Pulse
  readonly prefix: string
  readonly signal: AbortSignal
  /** How long Consul may hold an answer back. */
  readonly waitMs: number
  readonly rate: Rate
  readonly random: () => number
}

/**
 * Follows a prefix from a listing of it by blocking queries. Each answer is the whole listing, so
 * what changed is found by comparing; answers in which nothing changed tell nothing.
 */
export async function* watchFrom(
  base: IndexedListing,
  options: WatchOptions,
): AsyncGenerator<StoreChange, void, void> {
  const { connection, pulse, prefix, signal } = options
  if (signal.aborted) return
  const { closed } = connection
  closed.throwIfAborted()
  const bucket = new TokenBucket(options.rate, connection.clock)
  const alive = pulse.join(prefix)
  const ended = AbortSignal.any([signal, closed, alive.signal])
  let known = base
  try {
    for (;;) {
      await pause(connection.clock, bucket.takeMs(), ended)
      const next = await nextListing(known, known !== base, options, ended)
      const compared = differences(known.entries, next.entries)
      const events = await runInSlices(compared, SLICE_MS, ended)
      if (events.length === 0) {
        // The index may have gone back: Consul forgets deleted keys after a while. Nothing is lost.
        known = { ...known, index: next.index }
        continue
      }
      if (next.index <= Number(known.revision)) throw gone(prefix)
      if (next.entries.size === 0) await probe(connection, prefix)
      known = next
      if (signal.aborted) return
      yield { events, revision: next.revision }
    }
  } catch (error) {
    if (signal.aborted) return
    throw error
  } finally {
    pulse.leave(alive)
  }
}

/** @param sameHistory whether the server has been seen to be the same since `known` */
async function nextListing(
  known: IndexedListing,
  sameHistory: boolean,
  { connection, prefix, waitMs, random }: WatchOptions,
  ended: AbortSignal,
): Promise<IndexedListing> {
  const { index, chunks } = await listBelow(connection, prefix, {
    index: known.index,
    // So that many that began together do not all ask again together.
    waitMs: Math.round(waitMs * (0.9 + random() / 5)),
    signals: [ended],
  })
  const parsing = readEntries(chunks, { entries: known.entries, sameHistory })
  const entries = await runInSlices(parsing, SLICE_MS, ended)
  return { entries, revision: String(index), index }
}

/** A change always has a higher index than all before it, as long as the server keeps its data. */
function gone(prefix: string): FezzError {
  return new FezzError(
    'WATCH_LOST',
    `the index of ${prefix} went backwards: Consul has lost or replaced its data`,
  )
}
