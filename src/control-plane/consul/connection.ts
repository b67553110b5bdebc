import { EventEmitter } from 'node:events'
import { Agent, type IncomingMessage } from 'node:http'
import { Agent as TlsAgent } from 'node:https'
import { Writable } from 'node:stream'
import type Consul from 'consul'
import type { Clock } from '../../clock.ts'
import { FezzError } from '../../errors.ts'
import { closedError, failureOf, unavailable } from './failure.ts'

/** Certificates in PEM. */
export interface ConsulTls {
  /** Authority to trust instead of those of the system. */
  readonly ca?: string | Buffer
  /** Client certificate and its key. */
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
}

export interface ConnectionOptions {
  readonly endpoint: string
  readonly token: string | undefined
  readonly tls: ConsulTls | undefined
  readonly timeoutMs: number
  readonly clock: Clock
}

/** Well below the 200 that Consul allows one address by default. Each watch takes one. */
const MAX_SOCKETS = 64

/** One call, for those who make it. */
export interface Call<T> {
  /** In a few words, for messages. */
  readonly what: string
  /** `ctx` goes into the options of the package's method. */
  readonly send: (consul: Consul, ctx: EventEmitter) => Promise<unknown>
  /** Makes the result of the answer. Its body was parsed, or is a list of chunks if it is `large`. */
  readonly read: (answer: IncomingMessage, body: unknown) => T
  /** Whether the body may be too large to be put together and parsed at once. Default false. */
  readonly large?: boolean
  /** Default: that of the connection. */
  readonly timeoutMs?: number
  /** Ends the call with the signal's reason. */
  readonly signals?: readonly AbortSignal[]
}

/** The part of a request of papi, the HTTP client in `consul`, that its extensions may change. */
interface PapiRequest {
  ctx: Context
  pipe?: Writable
}

interface Extensible {
  _ext(event: 'onRequest', extension: (request: PapiRequest, next: () => void) => void): void
}

/** Goes with a request through the package; its event `cancel` ends the request. */
class Context extends EventEmitter {
  /** Makes the package hand out the whole answer, for the index is in its head. */
  readonly includeResponse = true
  readonly chunks: Buffer[] = []
  readonly sink: Writable | undefined

  /** @param onBreak called when the connection ends in the middle of a large answer */
  constructor(large: boolean, onBreak: () => void) {
    super()
    if (!large) return
    this.sink = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.chunks.push(chunk)
        done()
      },
    })
    // papi never settles then, and a query that is held open has a long time limit.
    this.sink.once('pipe', (answer: IncomingMessage) => {
      answer.once('close', () => {
        if (!answer.complete) onBreak()
      })
    })
  }
}

/** The HTTP API of one Consul agent: each call settles in time, with errors of ours. */
export class Connection {
  /** Without user, password and path. */
  readonly endpoint: string
  readonly clock: Clock
  readonly #options: ConnectionOptions
  readonly #agent: Agent
  readonly #closing = new AbortController()
  #consul: Promise<Consul> | undefined

  /** @throws FezzError `INVALID_CONFIG` when the endpoint is none */
  constructor(options: ConnectionOptions) {
    const url = URL.parse(options.endpoint)
    if (url === null || !/^https?:$/.test(url.protocol)) {
      throw new FezzError(
        'INVALID_CONFIG',
        'the endpoint of a Consul store must be like "http://127.0.0.1:8500" or "https://..."',
      )
    }
    this.endpoint = url.origin
    this.clock = options.clock
    this.#options = options
    const AgentClass = url.protocol === 'https:' ? TlsAgent : Agent
    this.#agent = new AgentClass({ keepAlive: true, maxSockets: MAX_SOCKETS })
  }

  /** Aborts, with the error that every call then throws, when the connection is closed. */
  get closed(): AbortSignal {
    return this.#closing.signal
  }

  /** Limit of a call that names none. */
  get timeoutMs(): number {
    return this.#options.timeoutMs
  }

  async call<T>(call: Call<T>): Promise<T> {
    const { what, send, read, large = false, timeoutMs = this.timeoutMs } = call
    const signals = [this.closed, ...(call.signals ?? [])]
    this.#consul ??= this.#open()
    const consul = await this.#consul
    for (const signal of signals) signal.throwIfAborted()
    const { promise: ended, reject } = Promise.withResolvers<never>()
    const end = (reason: unknown) => {
      reject(reason)
      ctx.emit('cancel')
    }
    const ctx = new Context(large, () => end(new Error('it hung up in the middle of an answer')))
    const onAbort = (event: Event) => end((event.target as AbortSignal).reason)
    const late = `Consul at ${this.endpoint} has not answered "${what}" within ${timeoutMs} ms`
    const timer = this.clock.setTimer(() => end(unavailable(late)), timeoutMs)
    for (const signal of signals) signal.addEventListener('abort', onAbort)
    try {
      const [answer, body] = (await Promise.race([send(consul, ctx), ended])) as [
        IncomingMessage,
        unknown,
      ]
      return read(answer, large ? ctx.chunks : body)
    } catch (error) {
      if (signals.some(signal => signal.aborted && signal.reason === error)) throw error
      throw failureOf(error, this.endpoint, what, ctx.chunks)
    } finally {
      timer.cancel()
      for (const signal of signals) signal.removeEventListener('abort', onAbort)
    }
  }

  /** Ends all calls. Idempotent. */
  close(): void {
    this.#closing.abort(closedError())
    this.#agent.destroy()
  }

  async #open(): Promise<Consul> {
    const { token, tls } = this.#options
    const { hostname, port, protocol } = new URL(this.endpoint)
    const secure = protocol === 'https:'
    const { default: Client } = (await import('consul')) as { default: typeof Consul }
    const consul = new Client({
      host: hostname,
      port: Number(port || (secure ? 443 : 80)),
      secure,
      agent: this.#agent,
      ...(token !== undefined && { defaults: { token } }),
      ...tls,
    })
    ;(consul as unknown as Extensible)._ext('onRequest', (request, next) => {
      if (request.ctx.sink !== undefined) request.pipe = request.ctx.sink
      next()
    })
    return consul
  }
}
