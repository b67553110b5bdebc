import type { Instance, LifecycleContext } from '../../function/contract.ts'
import { evaluateArtifact } from '../../loader/evaluate.ts'
import { installStackMapping } from '../../loader/stack.ts'
import { InProcessExecutor } from '../in-process/in-process-executor.ts'
import {
  LineAllowance,
  LOG_RATE,
  LOGS_TOO_MUCH,
  OUTPUT_RATE,
  PRINTS_TOO_MUCH,
} from '../line-allowance.ts'
import type { Channel } from './channel.ts'
import { ChannelLog } from './channel-log.ts'
import { limitOutput } from './limited-output.ts'
import type { LoadMessage, RequestMessage, ToHost, ToRunner } from './messages.ts'
import { fromSentError, type SentError, toSentError } from './sent-error.ts'
import { ServedRequest } from './served-request.ts'

/**
 * Makes this thread or process the home of one instance: loads what the host says, serves what it
 * sends. It takes the thread over: `process.env` becomes the function's, and what nobody catches goes
 * to the host's log and ends nothing.
 */
export function runInstance(channel: Channel<ToHost, ToRunner>): void {
  installStackMapping()
  const dropped = (message: string) => (dropped: number) => {
    channel.send({ type: 'log', level: 'warn', fields: JSON.stringify({ dropped }), message })
  }
  const logged = new LineAllowance({ ...LOG_RATE, report: dropped(LOGS_TOO_MUCH) })
  const printed = new LineAllowance({ ...OUTPUT_RATE, report: dropped(PRINTS_TOO_MUCH) })
  limitOutput(printed)
  const report = (kind: 'exception' | 'rejection') => (error: unknown) => {
    if (logged.take()) channel.send({ type: 'uncaught', kind, error: toSentError(error) })
  }
  process.on('uncaughtException', report('exception'))
  process.on('unhandledRejection', report('rejection'))
  const runner = new Runner(channel, { logged, printed })
  channel.receive(message => runner.receive(message))
}

/** Of the lines that an instance logs by its context, and of those that it prints. */
interface Allowances {
  readonly logged: LineAllowance
  readonly printed: LineAllowance
}

class Runner {
  readonly #channel: Channel<ToHost, ToRunner>
  readonly #allowances: Allowances
  readonly #requests = new Map<number, ServedRequest>()
  readonly #over = (request: ServedRequest): void => {
    this.#requests.delete(request.id)
  }
  #lifecycle!: LifecycleContext
  #instance!: Instance

  constructor(channel: Channel<ToHost, ToRunner>, allowances: Allowances) {
    this.#channel = channel
    this.#allowances = allowances
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
      case 'drop':
        request.drop(message.reason)
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
    Object.assign(process.env, env, {
      FEZZ_FUNCTION_ID: manifest.id,
      FEZZ_FUNCTION_VERSION: manifest.version,
    })
    const log = new ChannelLog(this.#channel, logLevels, this.#allowances.logged)
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
    let failure: { readonly error: SentError } | undefined
    try {
      await this.#instance.unload()
    } catch (error) {
      failure = { error: toSentError(error) }
    }
    // It is ended as soon as it says that it is unloaded.
    this.#allowances.logged.close()
    this.#allowances.printed.close()
    this.#channel.send({ type: 'unloaded', ...failure })
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function'
}
