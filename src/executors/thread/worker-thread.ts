import { finished } from 'node:stream/promises'
import { MessageChannel, Worker } from 'node:worker_threads'
import type { InstanceExit } from '../../function/contract.ts'
import type { Channel } from '../channel/channel.ts'
import { MessagePortChannel } from '../channel/message-port-channel.ts'
import type { ToHost, ToRunner } from '../channel/messages.ts'
import type { RunnerHandle } from '../channel/runner-handle.ts'
import type { OutputLog } from '../output-log.ts'

// Where this very code came from: its source, or the package that was built of it.
const MAIN = import.meta.url.endsWith('.ts') ? './thread-main.ts' : './thread-main.js'

const MEBIBYTE = 1_048_576

/** A thread with a runner in it. It keeps the process alive from {@link adopt} until it has ended. */
export class WorkerThread implements RunnerHandle {
  readonly channel: Channel<ToRunner, ToHost>
  readonly ended: Promise<InstanceExit>
  readonly #worker: Worker

  /** @param maxHeapBytes of its JavaScript heap; undefined: V8's own bound */
  constructor(maxHeapBytes: number | undefined) {
    const { port1, port2 } = new MessageChannel()
    this.#worker = new Worker(new URL(MAIN, import.meta.url), {
      name: 'fezz-function',
      workerData: port2,
      transferList: [port2],
      // Nothing of the host is for functions: its variables, its arguments, its flags.
      env: {},
      argv: [],
      execArgv: [],
      stdout: true,
      stderr: true,
      ...(maxHeapBytes !== undefined && {
        resourceLimits: { maxOldGenerationSizeMb: Math.ceil(maxHeapBytes / MEBIBYTE) },
      }),
    })
    this.channel = new MessagePortChannel<ToRunner, ToHost>(port1)
    this.ended = endOf(this.#worker)
    port1.unref()
    this.#worker.unref()
  }

  /** Makes it the home of a function: what it prints goes to `output`. */
  adopt(output: OutputLog): void {
    this.#worker.ref()
    const { stdout, stderr } = this.#worker
    stdout.on('data', chunk => output.write('stdout', chunk))
    stderr.on('data', chunk => output.write('stderr', chunk))
    void Promise.allSettled([finished(stdout), finished(stderr)]).then(() => output.close())
  }

  async kill(): Promise<void> {
    await this.#worker.terminate()
    await this.ended
  }
}

async function endOf(worker: Worker): Promise<InstanceExit> {
  const { promise, resolve } = Promise.withResolvers<InstanceExit>()
  let failure: InstanceExit | undefined
  worker.once('error', (cause: NodeJS.ErrnoException) => {
    const isMemory = cause.code === 'ERR_WORKER_OUT_OF_MEMORY'
    failure = { reason: isMemory ? 'out-of-memory' : 'crash', cause }
  })
  worker.once('exit', code => {
    resolve(failure ?? { reason: 'crash', cause: new Error(`the thread exited with code ${code}`) })
  })
  return promise
}
