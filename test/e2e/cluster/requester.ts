import { Agent, get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

/** What is wrong with an answer; `undefined` when it is as it should be. */
export type Judge = (status: number, body: string) => string | undefined

/** Where requests go: a host that may move when it is started again. */
export interface Target {
  readonly id: string
  readonly port: number
}

const CONNECTIONS = 3
/** Between two requests of one connection: the server in the test needs the processor, too. */
const PAUSE_MS = 10
const ENOUGH_FAILURES = 20

/**
 * Asks every host all the time over kept connections, each for one function after the other, and
 * keeps every answer that is not what it should be.
 */
export class Requester implements AsyncDisposable {
  /** What went wrong, the first of it, in words. */
  readonly failures: string[] = []
  /** Answers so far. */
  answered = 0
  readonly #judges: ReadonlyMap<string, () => Judge>
  readonly #running = new Map<string, { isOver: boolean; workers: Promise<void>[] }>()

  /** @param judges by path; each connection gets one of its own */
  constructor(judges: ReadonlyMap<string, () => Judge>) {
    this.#judges = judges
  }

  /** Begins to ask a host. */
  begin(target: Target): void {
    const run = { isOver: false, workers: [] as Promise<void>[] }
    this.#running.set(target.id, run)
    run.workers = Array.from({ length: CONNECTIONS }, () => this.#ask(target, run))
  }

  /** Asks it no more; resolves when what is on its way has been answered. */
  async end(id: string): Promise<void> {
    const run = this.#running.get(id)
    if (run === undefined) return
    run.isOver = true
    await Promise.all(run.workers)
    this.#running.delete(id)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(Array.from(this.#running.keys(), id => this.end(id)))
  }

  async #ask({ id, port }: Target, run: { readonly isOver: boolean }): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const judges = Array.from(this.#judges, ([path, judge]) => ({ path, judge: judge() }))
    while (!run.isOver) {
      for (const { path, judge } of judges) {
        const wrong = await ask(agent, port, path).then(
          ({ status, body }) => judge(status, body),
          error => String(error),
        )
        this.answered++
        if (wrong !== undefined && this.failures.length < ENOUGH_FAILURES) {
          this.failures.push(`${new Date().toISOString()} ${id} ${path}: ${wrong}`)
        }
        if (run.isOver) break
        await sleep(PAUSE_MS)
      }
    }
    agent.destroy()
  }
}

/** The same version, always. */
export function steady(body: string): () => Judge {
  return () => (status, found) =>
    status === 200 && found === body ? undefined : `${status} ${found} instead of ${body}`
}

/** Always there, and never an older version after a newer one. */
export function rolling(id: string): () => Judge {
  return versions(id, false)
}

/** There or not, and never an older version after a newer one. */
export function passing(id: string): () => Judge {
  return versions(id, true)
}

function versions(id: string, mayBeAbsent: boolean): () => Judge {
  return () => {
    let newest = 0
    return (status, body) => {
      if (mayBeAbsent && status === 404) return undefined
      const version = Number(new RegExp(`^${id} v(\\d+)$`).exec(body)?.[1] ?? -1)
      if (status !== 200 || version < newest) return `${status} ${body} after v${newest}`
      newest = version
      return undefined
    }
  }
}

function ask(
  agent: Agent,
  port: number,
  path: string,
): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const options = { agent, host: '127.0.0.1', port, path, timeout: 30_000 }
    const request = get(options, answer => {
      let body = ''
      answer.setEncoding('utf8')
      answer.on('data', chunk => {
        body += chunk
      })
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }))
      answer.on('error', reject)
    })
    request.on('timeout', () => request.destroy(new Error('no answer within 30 s')))
    request.on('error', reject)
  })
}
