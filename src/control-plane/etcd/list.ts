import type { Listing, StoredValue } from '../store.ts'
import type { EtcdCalls } from './calls.ts'
import { EtcdFailure, GRPC } from './failure.ts'
import { type Header, keyAfter, type RangeAnswer, rangeOf } from './messages.ts'

/** Keys per answer at most: decoding one must not hold up everything else. */
const PAGE_KEYS = 250

/** Everything under `prefix` at one revision, page by page, and what the server said of itself. */
export async function listPrefix(
  calls: EtcdCalls,
  prefix: string,
): Promise<{ readonly listing: Listing; readonly header: Header }> {
  const untilMs = calls.deadline()
  for (;;) {
    try {
      return await listOnce(calls, prefix, untilMs)
    } catch (error) {
      // Compacted between two pages. Not for ever: the deadline is that of all attempts.
      if (!(error instanceof EtcdFailure && error.isCompacted)) throw error
    }
  }
}

async function listOnce(calls: EtcdCalls, prefix: string, untilMs: number) {
  const entries = new Map<string, StoredValue>()
  const range = rangeOf(prefix)
  let { key } = range
  let limit = PAGE_KEYS
  let header: Header | undefined
  for (;;) {
    const request = { ...range, key, limit, revision: header?.revision ?? '0' }
    let page: RangeAnswer
    try {
      page = await calls.call('KV.range', request, 'read', untilMs)
    } catch (error) {
      const isTooLarge = error instanceof EtcdFailure && error.code === GRPC.RESOURCE_EXHAUSTED
      if (!isTooLarge || limit === 1) throw error
      limit = Math.ceil(limit / 8)
      continue
    }
    header ??= page.header
    for (const kv of page.kvs) {
      entries.set(kv.key.toString(), { value: kv.value.toString(), revision: kv.mod_revision })
    }
    const last = page.kvs.at(-1)
    if (!page.more || last === undefined) break
    key = keyAfter(last.key)
  }
  return { listing: { entries, revision: header.revision }, header }
}
