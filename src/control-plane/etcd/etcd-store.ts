import { type Clock, systemClock } from '../../clock.ts'
import { FezzError } from '../../errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type {
  DeleteOptions,
  Lease,
  Listing,
  PutOptions,
  Revision,
  Store,
  StoreChange,
} from '../store.ts'
import { EtcdCalls } from './calls.ts'
import type { EtcdTls } from './connection.ts'
import { EtcdFailure, storeClosed, unavailable } from './failure.ts'
import { EtcdLease } from './lease.ts'
import { listPrefix } from './list.ts'
import type { Header } from './messages.ts'
import { watchPrefix } from './watch.ts'

export interface EtcdStoreOptions {
  /** Servers of one cluster, `http(s)://host:port`; at least one. Any of them will do. */
  readonly endpoints: readonly string[]
  /** Default: no authentication. */
  readonly user?: string | undefined
  readonly password?: string | undefined
  /** For endpoints with `https:`. */
  readonly tls?: EtcdTls | undefined
  /** Within which each call is over. Default 3,000. */
  readonly timeoutMs?: number | undefined
  readonly log: Pick<Logger, 'debug'>
  readonly clock?: Clock
  /** Default `Math.random`. */
  readonly random?: () => number
}

/**
 * The store in etcd, 3.4.25 or newer. Keys and values are as `etcdctl get` and `etcdctl put` see
 * them. Connects with the first call.
 *
 * A put or delete that ends with `STORE_UNAVAILABLE` may have happened. A put under a lease that
 * has ended is a `CONFLICT`. A watch of a server that says nothing ends after 8 to 12 seconds.
 */
export class EtcdStore implements Store {
  readonly kind = 'etcd'
  readonly #calls: EtcdCalls
  readonly #clock: Clock
  readonly #random: () => number
  readonly #log: Pick<Logger, 'debug'>
  readonly #timeoutMs: number
  readonly #leases = new Set<EtcdLease>()
  /** Of the latest listing. */
  #listed: Header | undefined
  #closing: Promise<void> | undefined

  constructor(options: EtcdStoreOptions) {
    this.#clock = options.clock ?? systemClock
    this.#random = options.random ?? Math.random
    this.#log = options.log
    this.#timeoutMs = options.timeoutMs ?? 3_000
    this.#calls = new EtcdCalls({
      endpoints: options.endpoints,
      user: options.user,
      password: options.password,
      tls: options.tls,
      timeoutMs: this.#timeoutMs,
      log: this.#log,
      clock: this.#clock,
      random: this.#random,
    })
  }

  async list(prefix: string): Promise<Listing> {
    const { listing, header } = await this.#translated(listPrefix(this.#calls, prefix))
    this.#listed = header
    return listing
  }

  async put(key: string, value: string, options: PutOptions = {}): Promise<Revision> {
    const { lease, ifRevision } = options
    const put = { key: Buffer.from(key), value: Buffer.from(value), lease: idOf(lease) }
    if (ifRevision === undefined) {
      const { header } = await this.#translated(this.#calls.call('KV.put', put, 'write'), lease)
      return header.revision
    }
    return this.#transact(key, ifRevision, { request_put: put }, lease)
  }

  async delete(key: string, { ifRevision }: DeleteOptions = {}): Promise<boolean> {
    const range = { key: Buffer.from(key) }
    if (ifRevision === undefined) {
      const call = this.#calls.call('KV.deleteRange', range, 'write')
      return (await this.#translated(call)).deleted !== '0'
    }
    await this.#transact(key, ifRevision, { request_delete_range: range })
    return true
  }

  watch(prefix: string, from: Revision, signal: AbortSignal): AsyncIterable<StoreChange> {
    const options = {
      prefix,
      from,
      listed: this.#listed,
      timeoutMs: this.#timeoutMs,
      clock: this.#clock,
    }
    return watchPrefix(this.#calls, options, signal)
  }

  async lease(ttlMs: number): Promise<Lease> {
    const options = { clock: this.#clock, random: this.#random, log: this.#log }
    const lease = await this.#translated(EtcdLease.grant(this.#calls, ttlMs, options))
    if (this.#calls.isClosed) {
      lease.abandon('the store is closed')
      throw storeClosed()
    }
    this.#leases.add(lease)
    void lease.ended.then(() => this.#leases.delete(lease))
    return lease
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    for (const lease of this.#leases) lease.abandon('the store is closed')
    await this.#calls.close()
  }

  /** @throws {FezzError} `CONFLICT` when the key has another revision */
  async #transact(
    key: string,
    ifRevision: Revision | null,
    operation: object,
    lease?: Lease,
  ): Promise<Revision> {
    const condition =
      ifRevision === null
        ? { target: 'Create', create_revision: '0' }
        : { target: 'Mod', mod_revision: ifRevision }
    const compare = [{ key: Buffer.from(key), result: 'Equal', ...condition }]
    const call = this.#calls.call('KV.txn', { compare, success: [operation] }, 'write')
    const { succeeded, header } = await this.#translated(call, lease)
    if (succeeded) return header.revision
    throw new FezzError(
      'CONFLICT',
      ifRevision === null
        ? `"${key}" exists already; read it again`
        : `"${key}" is no longer at revision ${ifRevision}; read it again`,
    )
  }

  /** Turns what etcd says into what the port says. */
  async #translated<T>(call: Promise<T>, lease?: Lease): Promise<T> {
    try {
      return await call
    } catch (error) {
      if (!(error instanceof EtcdFailure)) throw error
      if (!error.isNoLease) throw unavailable(error, this.#calls.peer)
      const reason = 'etcd says that there is no such lease'
      if (lease instanceof EtcdLease) lease.abandon(reason)
      throw new FezzError('CONFLICT', `the lease has ended: ${reason}; get a new one`, {
        cause: error,
      })
    }
  }
}

function idOf(lease: Lease | undefined): string {
  if (lease === undefined) return '0'
  if (lease instanceof EtcdLease) return lease.id
  throw new TypeError('lease: is not of this store; get one from lease()')
}
