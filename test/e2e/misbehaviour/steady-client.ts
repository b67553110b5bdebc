import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Asked, Told } from './steady-client-thread.ts'

/** What somebody saw who asked a function all the time. Times in milliseconds. */
export interface Seen {
  readonly asked: number
  readonly failed: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

/**
 * Asks `url` at a steady rate, whether or not the earlier requests were answered, in a thread of its
 * own: what keeps the test busy does not count.
 */
export class SteadyClient implements AsyncDisposable {
  readonly #worker: Worker

  private constructor(worker: Worker) {
    this.#worker = worker
  }

  /** Resolves when the first request was answered. */
  static async start(url: string, perSecond = 200): Promise<SteadyClient> {
    const worker = new Worker(new URL('./steady-client-thread.ts', import.meta.url), {
      workerData: { url, perSecond },
    })
    await once(worker, 'message')
    return new SteadyClient(worker)
  }

  /** What it has seen since {@link forget}; one that is not answered yet has waited until now. */
  async seen(): Promise<Seen> {
    const { waitedMs, failed } = await this.#tell('look')
    const sorted = waitedMs.toSorted((a, b) => a - b)
    const at = (share: number) => sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN
    return { asked: sorted.length, failed, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) }
  }

  /** Begins anew. */
  async forget(): Promise<void> {
    await this.#tell('forget')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate()
  }

  async #tell(message: Told): Promise<Asked> {
    const answer = once(this.#worker, 'message') as Promise<[Asked]>
    this.#worker.postMessage(message)
    const [asked] = await answer
    return asked
  }
}
