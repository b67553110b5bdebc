import type { Clock, Timer } from '../../clock.ts'
import type { Logger } from '../../telemetry/logger.ts'
import {
  type CallHeaders,
  EtcdConnection,
  type EtcdStream,
  type EtcdTls,
  type StreamHandlers,
} from './connection.ts'
import { EtcdFailure, GRPC, type Peer, storeClosed, unavailable } from './failure.ts'
import type { StreamAnswers, UnaryAnswers } from './messages.ts'

export interface EtcdCallsOptions {
  readonly endpoints: readonly string[]
  readonly user?: string | undefined
  readonly password?: string | undefined
  readonly tls?: EtcdTls | undefined
  readonly timeoutMs: number
  readonly log: Pick<Logger, 'debug'>
  readonly clock: Clock
  readonly random: () => number
}

/** `read`: may be sent twice. `write`: goes to another server only if the first did not get it. */
type Kind = 'read' | 'write'

/** One server's turn. */
interface Attempt {
  readonly connection: EtcdConnection
  readonly limitMs: number
  /** How long a write may wait that the server may have got already. */
  readonly untilMs: number
  readonly kind: Kind
}

export interface EtcdCallStream extends EtcdStream {
  /** Cancels it, and has no one use its connection any more: the server has gone silent. */
  abandon(details: string): void
}

/**
 * Calls to whichever server answers, each over after the time limit: with an answer, or with
 * `STORE_UNAVAILABLE`. Keeps to one server as long as it answers. Logs in when etcd wants it.
 */
export class EtcdCalls {
  readonly #options: EtcdCallsOptions
  readonly #connections: (Promise<EtcdConnection> | undefined)[]
  readonly #pending = new Set<() => void>()
  #preferred: number
  #token: Promise<string> | undefined
  #closed = false

  constructor(options: EtcdCallsOptions) {
    this.#options = options
    this.#connections = options.endpoints.map(() => undefined)
    this.#preferred = Math.floor(options.random() * options.endpoints.length)
  }

  /** Who is asked, for messages. */
  get peer(): Peer {
    return this.#options
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** Within which a call is over. */
  get timeoutMs(): number {
    return this.#options.timeoutMs
  }

  /** On the clock: when a call that begins now has to be over. */
  deadline(): number {
    return this.#options.clock.now() + this.#options.timeoutMs
  }

  /**
   * @throws {EtcdFailure} what etcd answers, when it is not an outage
   * @throws {FezzError} `STORE_UNAVAILABLE`
   */
  async call<M extends keyof UnaryAnswers>(
    method: M,
    request: object,
    kind: Kind,
    untilMs = this.deadline(),
  ): Promise<UnaryAnswers[M]> {
    const servers = this.#connections.length
    let failure: EtcdFailure | undefined
    for (let asked = 0, refreshed = false; asked < servers; asked++) {
      const connection = await this.#connect()
      const limitMs = (untilMs - this.#options.clock.now()) / (servers - asked)
      const attempt = { connection, limitMs, untilMs, kind }
      const token = this.#token
      try {
        const headers = await this.#headers(attempt)
        return await this.#attempt(method, request, headers, attempt)
      } catch (error) {
        failure = this.#failureOf(error)
        if (failure.needsToken && !refreshed && this.#options.user !== undefined) {
          this.#forget(token)
          refreshed = true
          asked--
          continue
        }
        if (!failure.isOutage) throw failure
        this.#suspect(connection, failure)
        if (kind === 'write' && !failure.unsent) break
        if (this.#options.clock.now() >= untilMs) break
      }
    }
    throw unavailable(failure as EtcdFailure, this.#options)
  }

  /**
   * Begins a stream to the server that answered last. It fails when the store is closed.
   *
   * @throws {FezzError} `STORE_UNAVAILABLE`
   */
  async stream<M extends keyof StreamAnswers>(
    method: M,
    handlers: StreamHandlers<StreamAnswers[M]>,
  ): Promise<EtcdCallStream> {
    const attempt = {
      connection: await this.#connect(),
      limitMs: this.#options.timeoutMs,
      untilMs: this.deadline(),
      kind: 'read',
    } as const
    try {
      const token = this.#token
      const headers = await this.#headers(attempt)
      return this.#stream(method, headers, attempt.connection, {
        message: handlers.message,
        failed: failure => {
          if (failure.needsToken) this.#forget(token)
          if (failure.isOutage) this.#suspect(attempt.connection, failure)
          handlers.failed(failure)
        },
      })
    } catch (error) {
      const failure = this.#failureOf(error)
      if (failure.isOutage) this.#suspect(attempt.connection, failure)
      throw unavailable(failure, this.#options)
    }
  }

  /** Ends every call and stream. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    for (const cancel of [...this.#pending]) cancel()
    this.#pending.clear()
    const opened = await Promise.allSettled(this.#connections)
    for (const { value } of opened.filter(result => result.status === 'fulfilled')) value?.close()
  }

  /** Has the next call go elsewhere, and never again over a connection that has gone silent. */
  #suspect(connection: EtcdConnection, failure: EtcdFailure): void {
    const index = this.#options.endpoints.indexOf(connection.endpoint)
    this.#options.log.debug({ endpoint: connection.endpoint }, `etcd: ${failure.details}`)
    if (index === this.#preferred) {
      this.#preferred = (index + 1) % this.#connections.length
    }
    // While it is only refused, gRPC connects again by itself. Silent, it might wait for minutes.
    if (failure.code !== GRPC.DEADLINE_EXCEEDED) return
    const current = this.#connections[index]
    void current?.then(found => {
      if (found !== connection) return
      if (this.#connections[index] === current) this.#connections[index] = undefined
      connection.retire()
    })
  }

  /** A token that etcd does not take. */
  #forget(token: Promise<string> | undefined): void {
    if (this.#token === token) this.#token = undefined
  }

  async #connect(): Promise<EtcdConnection> {
    if (this.#closed) throw storeClosed()
    const index = this.#preferred
    const endpoint = this.#options.endpoints[index] as string
    this.#connections[index] ??= EtcdConnection.create(endpoint, this.#options.tls)
    const connection = await this.#connections[index]
    if (this.#closed) throw storeClosed()
    return connection
  }

  #failureOf(error: unknown): EtcdFailure {
    if (this.#closed) throw storeClosed()
    return EtcdFailure.of(error)
  }

  async #headers(attempt: Attempt): Promise<CallHeaders> {
    // Without it a server that is cut off from the others goes on serving watches of the past.
    const headers = { hasleader: 'true' }
    if (this.#options.user === undefined) return headers
    this.#token ??= this.#logIn(attempt)
    const token = this.#token
    try {
      const text = await token
      return text === '' ? headers : { ...headers, token: text }
    } catch (error) {
      this.#forget(token)
      const { code, details } = EtcdFailure.of(error)
      // Whatever the call was going to do, it has not begun.
      throw new EtcdFailure(code, details, { cause: error, unsent: true })
    }
  }

  async #logIn(attempt: Attempt): Promise<string> {
    const { user: name, password = '' } = this.#options
    const request = { name, password }
    try {
      const read = { ...attempt, kind: 'read' } as const
      return (await this.#attempt('Auth.authenticate', request, {}, read)).token
    } catch (error) {
      const failure = EtcdFailure.of(error)
      // Everybody may do everything, until somebody turns authentication on.
      if (/authentication is not enabled/.test(failure.details)) return ''
      throw failure
    }
  }

  #stream<M extends keyof StreamAnswers>(
    method: M,
    headers: CallHeaders,
    connection: EtcdConnection,
    { message, failed }: StreamHandlers<StreamAnswers[M]>,
  ): EtcdCallStream {
    if (this.#closed) throw storeClosed()
    const over = () => this.#pending.delete(close)
    const stream = connection.stream(method, headers, {
      message,
      failed: failure => {
        over()
        failed(failure)
      },
    })
    const cancel = () => {
      over()
      stream.cancel()
    }
    const close = () => {
      cancel()
      failed(new EtcdFailure(GRPC.CANCELLED, 'the store is closed'))
    }
    const abandon = (details: string) => {
      cancel()
      this.#suspect(connection, new EtcdFailure(GRPC.DEADLINE_EXCEEDED, details))
    }
    this.#pending.add(close)
    return { write: stream.write, cancel, abandon }
  }

  #attempt<M extends keyof UnaryAnswers>(
    method: M,
    request: object,
    headers: CallHeaders,
    { connection, limitMs, untilMs, kind }: Attempt,
  ): Promise<UnaryAnswers[M]> {
    const { clock } = this.#options
    return new Promise((resolve, reject) => {
      const beganMs = clock.now()
      let timer: Timer
      const end = () => {
        timer.cancel()
        this.#pending.delete(close)
      }
      const giveUp = (failure: EtcdFailure) => {
        end()
        cancel()
        reject(failure)
      }
      const close = () => giveUp(new EtcdFailure(GRPC.CANCELLED, 'the store is closed'))
      const late = () => {
        const unsent = !connection.isConnected
        const leftMs = untilMs - clock.now()
        if (kind === 'write' && !unsent && leftMs > 0) {
          timer = clock.setTimer(late, leftMs)
          return
        }
        const details = `nothing within ${Math.round(clock.now() - beganMs)} ms`
        giveUp(new EtcdFailure(GRPC.DEADLINE_EXCEEDED, details, { unsent }))
      }
      const cancel = connection.call(method, request, headers, (failure, answer) => {
        end()
        if (failure === undefined) resolve(answer)
        else reject(failure)
      })
      timer = clock.setTimer(late, limitMs)
      this.#pending.add(close)
    })
  }
}
