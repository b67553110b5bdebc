import { backoffMs } from '../../backoff.ts'
import type { Clock, Timer } from '../../clock.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { Lease } from '../store.ts'
import type { EtcdCallStream, EtcdCalls } from './calls.ts'
import { EtcdFailure } from './failure.ts'
import type { LeaseAnswer } from './messages.ts'

export interface EtcdLeaseOptions {
  readonly clock: Clock
  readonly random: () => number
  readonly log: Pick<Logger, 'debug'>
}

/** How soon a sign of life that did not arrive is repeated. */
const RETRY = { firstMs: 500, maxMs: 500 } as const

/**
 * A lease of etcd's, told three times in its life that it is still wanted. It counts as lost when
 * etcd says so, and when etcd has confirmed nothing for as long as it lives: by then the keys may
 * be gone.
 */
export class EtcdLease implements Lease {
  /** etcd's number for it. */
  readonly id: string
  readonly lost: Promise<string>
  /** Resolves when it is lost or revoked. */
  readonly ended: Promise<void>
  readonly #calls: EtcdCalls
  readonly #options: EtcdLeaseOptions
  readonly #lose: (reason: string) => void
  readonly #ended = Promise.withResolvers<void>()
  readonly #ttlMs: number
  /** When the last sign of life was sent that etcd has confirmed. */
  #confirmedMs: number
  #timer: Timer | undefined
  #stream: EtcdCallStream | undefined
  /** Counts signs of life: what comes of an earlier one does not matter any more. */
  #attempt = 0
  #over = false
  #revoking: Promise<void> | undefined

  private constructor(
    calls: EtcdCalls,
    granted: LeaseAnswer,
    askedMs: number,
    options: EtcdLeaseOptions,
  ) {
    this.#calls = calls
    this.#options = options
    this.id = granted.ID
    this.#ttlMs = Number(granted.TTL) * 1_000
    this.#confirmedMs = askedMs
    const { promise, resolve } = Promise.withResolvers<string>()
    this.lost = promise
    this.ended = this.#ended.promise
    this.#lose = resolve
    this.#waitFor(this.#intervalMs)
  }

  /** @param ttlMs etcd counts in seconds, and knows a minimum: it is rounded up */
  static async grant(
    calls: EtcdCalls,
    ttlMs: number,
    options: EtcdLeaseOptions,
  ): Promise<EtcdLease> {
    const askedMs = options.clock.now()
    const TTL = Math.max(1, Math.ceil(ttlMs / 1_000))
    // Repeated elsewhere it may leave a lease behind that nobody uses: it expires.
    const granted = await calls.call('Lease.leaseGrant', { TTL }, 'read')
    return new EtcdLease(calls, granted, askedMs, options)
  }

  async revoke(): Promise<void> {
    this.#revoking ??= this.#revoke()
    await this.#revoking
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.revoke()
  }

  /** No more signs of life; `reason` for {@link lost}. Idempotent. */
  abandon(reason: string): void {
    if (this.#over) return
    this.#end()
    this.#lose(reason)
  }

  async #revoke(): Promise<void> {
    this.#end()
    if (this.#calls.isClosed) return
    try {
      await this.#calls.call('Lease.leaseRevoke', { ID: this.id }, 'read')
    } catch (err) {
      this.#options.log.debug({ err, lease: this.id }, 'etcd lease not revoked: it will expire')
    }
  }

  get #intervalMs(): number {
    return this.#ttlMs / 3
  }

  /** Waits for the next sign of life, but not beyond the end of the lease. */
  #waitFor(delayMs: number): void {
    const leftMs = this.#confirmedMs + this.#ttlMs - this.#options.clock.now()
    this.#timer?.cancel()
    this.#timer = this.#options.clock.setTimer(
      () => {
        if (this.#isExpired()) return
        this.#stream?.abandon('no answer to a sign of life')
        void this.#keepAlive()
        // If there is neither answer nor error.
        this.#waitFor(Math.min(this.#intervalMs, this.#calls.timeoutMs))
      },
      Math.max(0, Math.min(delayMs, leftMs)),
    )
  }

  #isExpired(): boolean {
    const silentMs = this.#options.clock.now() - this.#confirmedMs
    if (silentMs >= this.#ttlMs) {
      this.abandon(`etcd has not confirmed it for ${Math.round(silentMs)} ms`)
    }
    return this.#over
  }

  /** On a stream of its own each time, so that it finds another server when one is down. */
  async #keepAlive(): Promise<void> {
    const sentMs = this.#options.clock.now()
    const attempt = ++this.#attempt
    try {
      const stream = await this.#calls.stream('Lease.leaseKeepAlive', {
        message: answer => {
          stream.cancel()
          if (attempt === this.#attempt) this.#stream = undefined
          this.#answered(answer, sentMs)
        },
        failed: failure => {
          if (attempt === this.#attempt) this.#failed(failure)
        },
      })
      if (this.#over || attempt !== this.#attempt) {
        stream.cancel()
        return
      }
      this.#stream = stream
      stream.write({ ID: this.id })
    } catch (error) {
      if (attempt === this.#attempt) this.#failed(EtcdFailure.of(error))
    }
  }

  #answered(answer: LeaseAnswer, sentMs: number): void {
    if (this.#over) return
    if (BigInt(answer.TTL) <= 0n) {
      this.abandon('etcd says that it has ended')
      return
    }
    this.#confirmedMs = Math.max(this.#confirmedMs, sentMs)
    this.#waitFor(this.#intervalMs - (this.#options.clock.now() - sentMs))
  }

  #failed(failure: EtcdFailure): void {
    if (this.#over || this.#isExpired()) return
    if (failure.isNoLease) {
      this.abandon('etcd says that there is no such lease')
      return
    }
    this.#stream = undefined
    this.#options.log.debug({ lease: this.id }, `etcd lease not confirmed: ${failure.details}`)
    this.#waitFor(backoffMs(0, RETRY, this.#options.random))
  }

  #end(): void {
    this.#over = true
    this.#timer?.cancel()
    this.#stream?.cancel()
    this.#ended.resolve()
  }
}
