import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Asked } from './normal-clients-thread.ts'

const CLIENTS = 8
/** Of each: 200 requests a second of all. */
const EVERY_MS = 40

/** What they saw. */
export interface Seen {
  readonly asked: number
  readonly failed: readonly string[]
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

/** A few kept connections that ask at a moderate rate, in a thread of their own. */
export class NormalClients implements AsyncDisposable {
  readonly #worker: Worker

  constructor(port: number) {
    this.#worker = new Worker(new URL('./normal-clients-thread.ts', import.meta.url), {
      workerData: { port, clients: CLIENTS, everyMs: EVERY_MS },
    })
  }

  /** What they have seen since the last look. */
  async look(): Promise<Seen> {
    const answer = once(this.#worker, 'message') as Promise<[Asked]>
    this.#worker.postMessage('look')
    const [{ waitedMs, failed }] = await answer
    const sorted = waitedMs.toSorted((a, b) => a - b)
    const at = (share: number) => sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN
    return { asked: sorted.length, failed, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate()
  }
}
