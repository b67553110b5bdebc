import { backoffMs, pause } from '../../backoff.ts'
import type { Timer } from '../../clock.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { Lease } from '../store.ts'
import { destroySession, renewSession } from './calls.ts'
import type { Connection } from './connection.ts'

const RETRY = { firstMs: 250, maxMs: 2_000 } as const

/** How many renewals go into a lease, so that one or two may fail. */
const RENEWALS = 4

export interface ConsulLeaseOptions {
  readonly connection: Connection
  /** Id of the session. */
  readonly session: string
  /** How long the session lives after it was last renewed, at most. */
  readonly ttlMs: number
  /** When the session was asked for, by the connection's clock. */
  readonly confirmedAtMs: number
  readonly random: () => number
  readonly log: Logger
  /** Called once when it has ended in whatever way. */
  readonly onEnd: (lease: ConsulLease) => void
}

/** A session of Consul, kept alive from the start. */
export class ConsulLease implements Lease {
  readonly lost: Promise<string>
  readonly #options: ConsulLeaseOptions
  readonly #lose: (reason: string) => void
  readonly #ended = new AbortController()
  #expiry: Timer | undefined
  #revoked: Promise<void> | undefined

  constructor(options: ConsulLeaseOptions) {
    this.#options = options
    const { promise, resolve } = Promise.withResolvers<string>()
    this.lost = promise
    this.#lose = resolve
    this.#confirm(options.confirmedAtMs)
    void this.#renew()
  }

  get session(): string {
    return this.#options.session
  }

  /** Whether it was revoked or lost. */
  get ended(): boolean {
    return this.#ended.signal.aborted
  }

  revoke(): Promise<void> {
    this.#revoked ??= this.#revoke()
    return this.#revoked
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.revoke()
  }

  /** It can no longer be vouched for. */
  end(reason: string): void {
    if (this.ended) return
    this.#end()
    this.#lose(reason)
  }

  async #revoke(): Promise<void> {
    if (this.ended) return
    this.#end()
    const { connection, session, log } = this.#options
    try {
      await destroySession(connection, session)
    } catch (err) {
      log.debug({ err }, 'a lease could not be revoked; it expires by itself')
    }
  }

  #end(): void {
    this.#expiry?.cancel()
    this.#ended.abort()
    this.#options.onEnd(this)
  }

  async #renew(): Promise<void> {
    const { connection, session, ttlMs, random, log } = this.#options
    const { clock } = connection
    let failures = 0
    for (;;) {
      const periodMs = (ttlMs / RENEWALS) * (0.9 + random() / 10)
      const delayMs = failures === 0 ? periodMs : backoffMs(failures - 1, RETRY, random)
      await pause(clock, delayMs, this.#ended.signal)
      if (this.ended) return
      // An answer says that it lived when it was asked.
      const askedAtMs = clock.now()
      try {
        if (await renewSession(connection, session)) this.#confirm(askedAtMs)
        else this.end('Consul has ended the session')
        failures = 0
      } catch (err) {
        failures++
        log.debug({ err, failures }, 'a lease could not be renewed')
      }
    }
  }

  #confirm(atMs: number): void {
    if (this.ended) return
    const { connection, ttlMs } = this.#options
    const leftMs = atMs + ttlMs - connection.clock.now()
    this.#expiry?.cancel()
    this.#expiry = connection.clock.setTimer(() => {
      this.end(`Consul has not confirmed the lease for ${ttlMs} ms`)
    }, leftMs)
  }
}
