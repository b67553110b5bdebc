import { Worker } from 'node:worker_threads'
import type { DeployableFunction } from '../host-server.ts'
import type { WatchdogData, WatchedFunction } from './protocol.ts'
import { intervalMs } from './pulse.ts'

const THREAD_FILE = import.meta.url.endsWith('.ts')
  ? './watchdog-thread.ts'
  : './watchdog-thread.js'

/** It holds little more than the paths of artifacts. */
const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 }

/**
 * Ends this process by SIGKILL when it makes no progress for the timeout, after a thread of its own
 * has told the supervisor where it was stuck. From inside, a loop that never ends can't.
 */
export class Watchdog implements AsyncDisposable {
  readonly #thread: Worker
  readonly #heart: NodeJS.Timeout
  readonly #beats: Int32Array
  #closing: Promise<void> | undefined

  constructor(stuckTimeoutMs: number) {
    const workerData: WatchdogData = { beat: new SharedArrayBuffer(4), stuckTimeoutMs }
    this.#beats = new Int32Array(workerData.beat)
    this.#thread = new Worker(new URL(THREAD_FILE, import.meta.url), {
      name: 'fezz-watchdog',
      workerData,
      execArgv: [],
      resourceLimits: RESOURCE_LIMITS,
    })
    this.#thread.unref()
    this.#heart = setInterval(() => this.beat(), intervalMs(stuckTimeoutMs))
    this.#heart.unref()
  }

  /** Makes it able to name these functions. */
  watch(functions: readonly DeployableFunction[]): void {
    const watched = functions.flatMap(({ manifest, code }): WatchedFunction[] => {
      if (code.kind !== 'artifact') return []
      const { folder, entry } = code
      return [{ functionId: manifest.id, folder, entry }]
    })
    if (watched.length > 0) this.#thread.postMessage(watched)
  }

  /**
   * Notes progress. Every turn of the event loop does so, but a turn may be long: it takes all
   * connections that have something to read, and of busy ones there may be many.
   */
  beat(): void {
    Atomics.add(this.#beats, 0, 1)
  }

  /** From now on the process may stand still. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    clearInterval(this.#heart)
    await this.#thread.terminate()
  }
}
