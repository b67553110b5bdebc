import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

export interface LoadOptions {
  /** Where requests go, on 127.0.0.1. */
  readonly port: number
  /** Requests in a second. */
  readonly rate: number
  /** Connections at once. Default 32. */
  readonly connections?: number
  /** What the next request asks for. */
  readonly next: (index: number) => Ask
}

export interface Ask {
  readonly method: 'GET' | 'POST'
  readonly path: string
}

/** What has become of one request. */
export interface Answer extends Ask {
  /** Its x-request-id, and the body of a POST. */
  readonly id: string
  /** Whose clock is `performance.now()`. */
  readonly sentAtMs: number
  readonly tookMs: number
  /** 0 when there was no answer. */
  readonly status: number
  /** Host that answered. */
  readonly node: string
  /** Whether it was the first of an instance. */
  readonly isCold: boolean
  /** What went wrong, if the answer is not 2xx. */
  readonly error: string
}

let loads = 0

/** Requests at a steady rate, however long the answers take, and what becomes of each. */
export class Load {
  readonly answers: Answer[] = []
  readonly #options: LoadOptions
  readonly #agent: Agent
  readonly #name = `load-${process.pid}-${++loads}`
  readonly #pending = new Set<Promise<void>>()
  readonly #abort = new AbortController()
  readonly #done: Promise<void>
  #sent = 0

  constructor(options: LoadOptions) {
    this.#options = options
    this.#agent = new Agent({ keepAlive: true, maxSockets: options.connections ?? 32 })
    this.#done = this.#run()
  }

  get failures(): readonly Answer[] {
    return this.answers.filter(({ status }) => status < 200 || status > 299)
  }

  /** Ends it when all answers are there. */
  async stop(): Promise<this> {
    this.#abort.abort()
    await this.#done
    await Promise.all(this.#pending)
    this.#agent.destroy()
    return this
  }

  async #run(): Promise<void> {
    const { rate, next } = this.#options
    const startedAt = performance.now()
    while (!this.#abort.signal.aborted) {
      const due = ((performance.now() - startedAt) / 1_000) * rate
      for (; this.#sent < due; this.#sent++) {
        const asked = this.#send(next(this.#sent), `${this.#name}-${this.#sent}`)
        this.#pending.add(asked)
        void asked.then(() => this.#pending.delete(asked))
      }
      await sleep(4)
    }
  }

  #send({ method, path }: Ask, id: string): Promise<void> {
    const { port } = this.#options
    const sentAtMs = performance.now()
    return new Promise(resolve => {
      const settle = (status: number, node: string, isCold: boolean, error: string) => {
        const tookMs = performance.now() - sentAtMs
        this.answers.push({ method, path, id, sentAtMs, tookMs, status, node, isCold, error })
        resolve()
      }
      const headers = { 'x-request-id': id }
      const options = { host: '127.0.0.1', port, method, path, headers, agent: this.#agent }
      const sent = request(options, response => {
        let body = ''
        const { statusCode: status = 0, headers } = response
        response.setEncoding('utf8').on('data', chunk => {
          body += chunk
        })
        response.on('end', () =>
          settle(
            status,
            String(headers['x-node']),
            headers['x-cold'] === '1',
            status > 199 && status < 300 ? '' : body.slice(0, 300),
          ),
        )
        response.on('error', error => settle(0, '', false, `in the body: ${error.message}`))
      })
      sent.on('error', error => settle(0, '', false, error.message))
      sent.end(method === 'POST' ? id : undefined)
    })
  }
}
