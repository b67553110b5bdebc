import type { Instance, LifecycleContext } from '../../function/contract.ts'
import { evaluateArtifact } from '../../loader/evaluate.ts'
import { installStackMapping } from '../../loader/stack.ts'
import { InProcessExecutor } from '../in-process/in-process-executor.ts'
import type { Channel } from './channel.ts'
import { ChannelLog } from './channel-log.ts'
import type { LoadMessage, RequestMessage, ToHost, ToRunner } from './messages.ts'
import { fromSentError, toSentError } from './sent-error.ts'
import { ServedRequest } from './served-request.ts'

/**
 * Makes this thread or process the home of one instance: loads what the host says, serves what it
 * sends. It takes the thread over: `process.env` becomes the function's, and what nobody catches goes
 * to the host's log and ends nothing.
 */
export function runInstance(channel: Channel<ToHost, ToRunner>): void {
  installStackMapping()
  const report = (kind: 'exception' | 'rejection') => (error: unknown) =>
    channel.send({ type: 'uncaught', kind, error: toSentError(error) })
  process.on('uncaughtException', report('exception'))
  process.on('unhandledRejection', report('rejection'))
  const runner = new Runner(channel)
  channel.receive(message => runner.receive(message))
}

class Runner {
  readonly #channel: Channel<ToHost, ToRunner>
  readonly #requests = new Map<number, ServedRequest>()
  readonly #over = (request: ServedRequest): void => {
    this.#requests.delete(request.id)
  }
  #lifecycle!: LifecycleContext
  #instance!: Instance

  constructor(channel: Channel<ToHost, ToRunner>) {
    this.#channel = channel
  }

  receive(message: ToRunner): void {
    switch (message.type) {
      case 'load':
        void this.#load(message)
        break
      case 'request':
        this.#serve(message)
        break
      case 'ping':
        this.#channel.send({ type: 'pong' })
        break
      case 'unload':
        void this.#unload()
        break
      default:
        this.#receiveOfRequest(message)
    }
  }

  #receiveOfRequest(message: Exclude<Extract<ToRunner, { id: number }>, RequestMessage>): void {
    const request = this.#requests.get(message.id)
    if (request === undefined) return
    switch (message.type) {
      case 'abort':
        request.abort(message.reason)
        break
      case 'chunk':
        request.body?.push(message.bytes)
        break
      case 'end':
        if (message.error === undefined) request.body?.end()
        else request.body?.fail(fromSentError(message.error))
        break
      case 'credit':
        request.credit(message.bytes)
        break
      case 'cancel':
        request.cancelled()
        break
    }
  }

  async #load({ manifest, code, env, logLevels }: LoadMessage): Promise<void> {
    Object.assign(process.env, env)
    const log = new ChannelLog(this.#channel, logLevels)
    const { id: functionId, version } = manifest
    this.#lifecycle = { functionId, version, env: Object.freeze({ ...env }), log }
    const executor = new InProcessExecutor({ evaluate: evaluateArtifact, log })
    try {
      this.#instance = await executor.load({ manifest, code, env })
      this.#channel.send({ type: 'loaded' })
    } catch (error) {
      this.#channel.send({ type: 'load-failed', error: toSentError(error) })
    }
  }

  #serve(message: RequestMessage): void {
    const served = new ServedRequest(message, this.#lifecycle, this.#channel, this.#over)
    this.#requests.set(message.id, served)
    try {
      const result: unknown = this.#instance.fetch(served.request, served.context)
      if (isThenable(result)) {
        Promise.resolve(result).then(
          value => served.answer(value),
          error => served.fail(error),
        )
      } else {
        served.answer(result)
      }
    } catch (error) {
      served.fail(error)
    }
  }

  async #unload(): Promise<void> {
    try {
      await this.#instance.unload()
      this.#channel.send({ type: 'unloaded' })
    } catch (error) {
      this.#channel.send({ type: 'unloaded', error: toSentError(error) })
    }
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function'
}
