import type { Clock, Timer } from '../../clock.ts'
import type { FezzError } from '../../errors.ts'
import type { Revision, StoreChange, StoreEvent } from '../store.ts'
import type { EtcdCallStream, EtcdCalls } from './calls.ts'
import { EtcdFailure, GRPC, storeClosed, unavailable, watchLost } from './failure.ts'
import { Inbox } from './inbox.ts'
import { type Header, rangeOf, type WatchAnswer } from './messages.ts'

/** How often the server is asked whether it is still there. */
const PROBE_MS = 4_000
/** So many questions without an answer are one too many: silence ends a watch within 8 to 12 s. */
const MAX_UNANSWERED = 2
/** Whoever is behind by more events than this is better off with a new listing. */
const MAX_QUEUED_EVENTS = 20_000

export interface EtcdWatchOptions {
  readonly prefix: string
  /** What the layer above knows. */
  readonly from: Revision
  /** Of the latest listing: tells whether it is still the same etcd, with all its data. */
  readonly listed: Header | undefined
  /** How long the server may take to begin. */
  readonly timeoutMs: number
  readonly clock: Clock
}

/** The changes under a prefix; see {@link Store.watch}. */
export async function* watchPrefix(
  calls: EtcdCalls,
  options: EtcdWatchOptions,
  signal: AbortSignal,
): AsyncGenerator<StoreChange, void, undefined> {
  if (signal.aborted) return
  const watch = new EtcdWatch(calls, options)
  const abort = () => watch.close()
  signal.addEventListener('abort', abort)
  try {
    await watch.begin()
    for (;;) {
      const change = await watch.take()
      if (change === undefined) return
      yield change
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    signal.removeEventListener('abort', abort)
    watch.close()
  }
}

/** One watch on a stream of its own: what ends the one ends the other. */
class EtcdWatch {
  readonly #calls: EtcdCalls
  readonly #options: EtcdWatchOptions
  readonly #inbox = new Inbox<StoreChange>(MAX_QUEUED_EVENTS)
  #stream: EtcdCallStream | undefined
  #timer: Timer | undefined
  #over = false
  #unanswered = 0

  constructor(calls: EtcdCalls, options: EtcdWatchOptions) {
    this.#calls = calls
    this.#options = options
  }

  async begin(): Promise<void> {
    const { prefix, from, clock, timeoutMs } = this.#options
    const stream = await this.#calls.stream('Watch.watch', {
      message: answer => this.#receive(answer),
      failed: failure => this.#failed(failure),
    })
    this.#stream = stream
    if (this.#over) {
      stream.cancel()
      return
    }
    stream.write({
      create_request: {
        ...rangeOf(prefix),
        start_revision: String(BigInt(from) + 1n),
        progress_notify: true,
      },
    })
    this.#timer = clock.setTimer(() => this.#silent(`no watch within ${timeoutMs} ms`), timeoutMs)
  }

  take(): Promise<StoreChange | undefined> {
    return this.#inbox.take()
  }

  close(): void {
    this.#end()
    this.#inbox.end()
  }

  #receive(answer: WatchAnswer): void {
    if (this.#over) return
    this.#unanswered = 0
    if (answer.canceled) this.#lose(reasonOf(answer))
    else if (answer.created) this.#begun(answer.header)
    // One without events only says that the server is alive: in some versions its revision runs
    // ahead of the events (etcd-io/etcd issue 15220).
    else if (answer.events.length > 0) this.#tell(changeOf(answer))
  }

  #begun(header: Header): void {
    const doubt = this.#doubtOf(header)
    if (doubt !== undefined) {
      this.#lose(doubt)
      return
    }
    this.#probeLater()
  }

  #tell(change: StoreChange): void {
    if (this.#inbox.put(change, change.events.length)) return
    this.#lose(`${MAX_QUEUED_EVENTS} changes wait to be taken`)
  }

  /** Why this server cannot tell what has happened since the listing, if so. */
  #doubtOf({ revision, cluster_id, raft_term }: Header): string | undefined {
    const { from, listed } = this.#options
    // Such a server would say nothing until its revisions are where they once were.
    if (BigInt(revision) < BigInt(from)) {
      return `etcd is at revision ${revision}, and was at ${from} before`
    }
    if (listed === undefined) return undefined
    if (listed.cluster_id !== cluster_id) return 'it is another etcd than the one that was listed'
    if (BigInt(raft_term) < BigInt(listed.raft_term)) return 'etcd has gone back in time'
    return undefined
  }

  #probeLater(): void {
    this.#timer?.cancel()
    this.#timer = this.#options.clock.setTimer(() => this.#probe(), PROBE_MS)
  }

  /** Counts questions, not time: after a pause of this process the answers are there, unread. */
  #probe(): void {
    if (this.#unanswered === MAX_UNANSWERED) {
      this.#silent(`nothing for ${PROBE_MS * MAX_UNANSWERED} ms`)
      return
    }
    this.#unanswered++
    this.#stream?.write({ progress_request: {} })
    this.#probeLater()
  }

  #silent(details: string): void {
    if (this.#over) return
    this.#stream?.abandon(details)
    this.#failed(new EtcdFailure(GRPC.DEADLINE_EXCEEDED, details))
  }

  #failed(failure: EtcdFailure): void {
    if (this.#over) return
    if (this.#calls.isClosed) this.#fail(storeClosed())
    else if (failure.isOutage || failure.isRefusal) {
      this.#fail(unavailable(failure, this.#calls.peer))
    } else this.#fail(watchLost(failure.details, failure))
  }

  #lose(reason: string): void {
    const refusal = new EtcdFailure(GRPC.CANCELLED, reason)
    this.#fail(refusal.isRefusal ? unavailable(refusal, this.#calls.peer) : watchLost(reason))
  }

  #fail(error: FezzError): void {
    this.#inbox.fail(error)
    this.#end()
  }

  #end(): void {
    this.#over = true
    this.#timer?.cancel()
    this.#stream?.cancel()
  }
}

function reasonOf({ compact_revision, cancel_reason }: WatchAnswer): string {
  return compact_revision === '0'
    ? `etcd has cancelled it: ${cancel_reason || 'it does not say why'}`
    : `etcd has compacted its history up to revision ${compact_revision}`
}

/** The last event of each key, in the order of their last changes. */
function changeOf({ events }: WatchAnswer): StoreChange {
  const last = new Map<string, StoreEvent>()
  for (const { type, kv } of events) {
    const key = kv.key.toString()
    last.delete(key)
    if (type === 'Delete') last.set(key, { key })
    else last.set(key, { key, stored: { value: kv.value.toString(), revision: kv.mod_revision } })
  }
  // Not the header's revision, which is ahead of the events while etcd is still catching up. A
  // revision is never split over two answers, unless one asks for fragments.
  const revision = events.at(-1)?.kv.mod_revision as Revision
  return { events: [...last.values()], revision }
}
