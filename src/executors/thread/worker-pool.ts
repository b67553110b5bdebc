import type { Deployment } from '../../function/contract.ts'
import { WorkerThread } from './worker-thread.ts'

/** A heap limit, and who wants threads of it. */
interface Shelf {
  readonly maxHeapBytes: number | undefined
  readonly deployments: Set<Deployment>
  readonly idle: Set<WorkerThread>
}

/**
 * Threads that have started already, so that a load does not wait for one. A thread has its heap
 * limit from its start, so each limit has a shelf of its own, as long as a deployment wants it.
 */
export class WorkerPool {
  readonly #warm: number
  readonly #shelves = new Map<number | undefined, Shelf>()
  #isClosed = false

  /** @param warm idle threads for each heap limit that some deployment has */
  constructor(warm: number) {
    this.#warm = warm
  }

  /** Idle threads of all limits. */
  get idle(): number {
    return [...this.#shelves.values()].reduce((sum, shelf) => sum + shelf.idle.size, 0)
  }

  /** Starts what is missing for `deployment`, from now on until it is forgotten. */
  prepare(deployment: Deployment): void {
    if (this.#isClosed) return
    this.#shelfOf(deployment).deployments.add(deployment)
    this.refill(deployment)
  }

  /** Replaces what was taken for `deployment`, unless it has been forgotten. */
  refill(deployment: Deployment): void {
    const shelf = this.#shelves.get(limitOf(deployment))
    if (!shelf?.deployments.has(deployment)) return
    while (shelf.idle.size < this.#warm) {
      const thread = new WorkerThread(shelf.maxHeapBytes)
      shelf.idle.add(thread)
      // What dies here is replaced when the next one is taken, not at once, and so not for ever.
      void thread.ended.then(() => shelf.idle.delete(thread))
    }
  }

  /** A thread for `deployment`; the caller has it from now on. {@link refill} replaces it. */
  take(deployment: Deployment): WorkerThread {
    const shelf = this.#shelfOf(deployment)
    shelf.deployments.add(deployment)
    const [thread] = shelf.idle
    if (thread === undefined) return new WorkerThread(shelf.maxHeapBytes)
    shelf.idle.delete(thread)
    return thread
  }

  /** Ends the idle threads that only `deployment` was for. Harmless for one that is not known. */
  async forget(deployment: Deployment): Promise<void> {
    const shelf = this.#shelves.get(limitOf(deployment))
    shelf?.deployments.delete(deployment)
    if (shelf === undefined || shelf.deployments.size > 0) return
    this.#shelves.delete(shelf.maxHeapBytes)
    await empty(shelf)
  }

  /** Ends all idle threads; no more are started. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true
    const shelves = [...this.#shelves.values()]
    this.#shelves.clear()
    await Promise.all(shelves.map(empty))
  }

  #shelfOf(deployment: Deployment): Shelf {
    const maxHeapBytes = limitOf(deployment)
    let shelf = this.#shelves.get(maxHeapBytes)
    if (shelf === undefined) {
      shelf = { maxHeapBytes, deployments: new Set(), idle: new Set() }
      this.#shelves.set(maxHeapBytes, shelf)
    }
    return shelf
  }
}

/** Heap of a thread for a deployment; undefined: V8's own bound. */
function limitOf({ manifest }: Deployment): number | undefined {
  return manifest.execution.memoryBytes
}

async function empty({ idle }: Shelf): Promise<void> {
  await Promise.all(Array.from(idle, thread => thread.kill()))
}
