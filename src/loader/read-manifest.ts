import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { FezzError } from '../errors.ts'
import type { FoundFunction } from '../function/declared.ts'
import type { ManifestJob, ManifestReply } from './manifest-protocol.ts'

export interface ManifestReaderOptions {
  /** How long a module may take to evaluate, in milliseconds. Default 5,000. */
  readonly deadlineMs?: number
}

/** Contains what a module does by mistake, not what it does on purpose: that takes a process. */
const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 256 }

const WORKER_FILE = import.meta.url.endsWith('.ts')
  ? './manifest-worker.ts'
  : './manifest-worker.js'

/**
 * Learns what functions a bundle holds, by evaluating it in a thread of its own: a module that never
 * comes back, ends the process or throws is an error of that module alone. One thread serves many
 * bundles, one after the other; what breaks it gets a new one made.
 */
export class ManifestReader implements AsyncDisposable {
  readonly #deadlineMs: number
  #worker: Worker | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor({ deadlineMs = 5000 }: ManifestReaderOptions = {}) {
    this.#deadlineMs = deadlineMs
  }

  /**
   * @throws FezzError `BUILD_FAILED` when the module cannot be evaluated, with the place;
   *   `INVALID_MANIFEST` when what it declares is wrong
   */
  read(job: ManifestJob): Promise<readonly FoundFunction[]> {
    const found = this.#last.then(() => this.#read(job))
    this.#last = found.catch(() => {})
    return found
  }

  /** Ends the thread, when what was asked for has been answered. Idempotent. */
  close(): Promise<void> {
    const closed = this.#last.then(() => this.#end())
    this.#last = closed
    return closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #read(job: ManifestJob): Promise<readonly FoundFunction[]> {
    this.#worker ??= this.#start()
    const reply = await ask(this.#worker, job, this.#deadlineMs)
    if (reply.kind === 'found') return reply.functions
    if (reply.kind === 'failed') throw new FezzError(reply.code, reply.message)
    await this.#end()
    throw new FezzError('BUILD_FAILED', `${job.code.entry}: ${reply.message}`)
  }

  #start(): Worker {
    const worker = startWorker()
    worker.once('exit', () => {
      if (this.#worker === worker) this.#worker = undefined
    })
    return worker
  }

  async #end(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    await worker?.terminate()
  }
}

function startWorker(): Worker {
  const worker = new Worker(new URL(WORKER_FILE, import.meta.url), {
    name: 'fezz-manifest',
    // Flags of the host, such as a test runner's hooks, are not for this thread.
    execArgv: [],
    resourceLimits: RESOURCE_LIMITS,
    stdout: true,
    stderr: true,
  })
  // What nobody waits for any more.
  worker.on('error', () => {})
  // Standard output belongs to the host: its log lines are JSON.
  worker.stdout.on('data', chunk => process.stderr.write(chunk))
  worker.stderr.on('data', chunk => process.stderr.write(chunk))
  return worker
}

type Answer = Exclude<ManifestReply, { kind: 'evaluating' }>

/** The thread is of no more use. */
interface Broken {
  readonly kind: 'broken'
  readonly message: string
}

/** Settles whatever becomes of the thread. */
async function ask(worker: Worker, job: ManifestJob, deadlineMs: number): Promise<Answer | Broken> {
  const ended = new AbortController()
  const { signal } = ended
  const { promise, resolve } = Promise.withResolvers<Answer | Broken>()
  const broken = (message: string) => resolve({ kind: 'broken', message })
  let timer: NodeJS.Timeout | undefined
  worker.on('message', (reply: ManifestReply) => {
    if (reply.kind !== 'evaluating') return resolve(reply)
    timer = setTimeout(
      () =>
        broken(
          `the module did not finish evaluating within ${deadlineMs} ms; look for an endless loop outside of its functions`,
        ),
      deadlineMs,
    )
  })
  once(worker, 'error', { signal }).then(
    ([error]) => broken(`the module broke the thread that evaluates it: ${error}`),
    () => {},
  )
  once(worker, 'exit', { signal }).then(
    ([code]) =>
      broken(`the module called process.exit(${code}) while it was evaluated; return instead`),
    () => {},
  )
  worker.postMessage(job)
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    worker.removeAllListeners('message')
    ended.abort()
  }
}
