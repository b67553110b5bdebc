import type { Clock, Timer } from '../../clock.ts'
import { FezzError } from '../../errors.ts'
import type {
  ArtifactCode,
  Deployment,
  FunctionContext,
  Instance,
  InstanceExit,
} from '../../function/contract.ts'
import type { Manifest } from '../../function/manifest.ts'
import { onRequestAbort, sourceOf, toIncoming } from '../../http/web/incoming-request.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { LineAllowance, LOG_RATE, LOGS_TOO_MUCH } from '../line-allowance.ts'
import {
  type LogMessage,
  MAX_FIELDS_CHARS,
  type SettledMessage,
  type ToHost,
  type WaitUntilMessage,
} from './messages.ts'
import { type CallShare, RemoteCall } from './remote-call.ts'
import type { RunnerHandle } from './runner-handle.ts'
import { fromSentError, lengthOf, textOf } from './sent-error.ts'

/** More promises of one instance at once are no function's, but an attempt to fill the host. */
const MAX_WAITS = 100_000
const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const

export interface RemoteInstanceOptions {
  /** Gets what the function logs, with its id. */
  readonly log: Logger
  readonly clock: Clock
  /** How long `onLoad` may take; then the runner is ended. */
  readonly loadTimeoutMs: number
  /** How long `onUnload` may take; then the runner is ended. */
  readonly unloadTimeoutMs: number
  /**
   * How long after a deadline its event loop may stand still; then the runner is ended, and given up
   * when it is not gone after as long again.
   */
  readonly killGraceMs: number
}

type CallMessage = Exclude<Extract<ToHost, { id: number }>, WaitUntilMessage | SettledMessage>

/** A promise that keeps the instance in use. */
interface Wait extends PromiseWithResolvers<void> {
  /** Whose it was when it came; undefined when there was no such request. */
  readonly call: RemoteCall | undefined
  readonly timer: Timer | undefined
}

/** A deployment whose code a runner can evaluate. */
export interface ArtifactDeployment extends Deployment {
  readonly code: ArtifactCode
}

/** An instance in a runner, at the other end of a channel. One runner has one instance in its life. */
export class RemoteInstance implements Instance {
  readonly exited: Promise<InstanceExit>
  readonly #manifest: Manifest
  readonly #runner: RunnerHandle
  readonly #options: RemoteInstanceOptions
  readonly #calls = new Map<number, RemoteCall>()
  readonly #share: CallShare
  readonly #waits = new Map<string, Wait>()
  readonly #exit = Promise.withResolvers<InstanceExit>()
  readonly #loaded = Promise.withResolvers<void>()
  readonly #unloaded = Promise.withResolvers<void>()
  /** A runner keeps to it by itself, unless its function has taken it over. */
  readonly #logged: LineAllowance
  #lastId = 0
  /** Of the last request. */
  #latest: FunctionContext | undefined
  #isOpen = true
  #isUnloaded = false
  /** Why the host has ended the runner. */
  #verdict: InstanceExit | undefined
  /** How the runner ended. */
  #ending: InstanceExit | undefined
  #ping: Timer | undefined
  /** While a runner that the host has ended is not gone. */
  #dying: Timer | undefined
  #unloading: Promise<void> | undefined

  private constructor(manifest: Manifest, runner: RunnerHandle, options: RemoteInstanceOptions) {
    this.exited = this.#exit.promise
    this.#manifest = manifest
    this.#share = {
      channel: runner.channel,
      maxOutputBytes: manifest.execution.maxOutputBytes ?? Number.POSITIVE_INFINITY,
      over: call => this.#calls.delete(call.id),
    }
    this.#runner = runner
    this.#options = options
    const { log, clock } = options
    const report = (dropped: number): void =>
      log.warn({ functionId: manifest.id, dropped }, LOGS_TOO_MUCH)
    this.#logged = new LineAllowance({ ...LOG_RATE, clock, report })
    // Each is waited for only while it can be news.
    this.#loaded.promise.catch(() => {})
    this.#unloaded.promise.catch(() => {})
    runner.channel.receive(message => this.#receive(message))
    void runner.channel.closed.then(cause => this.#lost(cause))
    void runner.ended.then(exit => this.#ended(exit))
  }

  /**
   * Makes a runner load `deployment`. Whatever goes wrong, the runner is ended.
   *
   * @throws the function's own error; FezzError `INSTANCE_EXITED` when the runner dies,
   *   `FUNCTION_TIMEOUT` when it takes too long
   */
  static async load(
    deployment: ArtifactDeployment,
    runner: RunnerHandle,
    options: RemoteInstanceOptions,
  ): Promise<RemoteInstance> {
    const { manifest, code, env } = deployment
    const instance = new RemoteInstance(manifest, runner, options)
    const logLevels = LOG_LEVELS.filter(level => options.log.isLevelEnabled(level))
    runner.channel.send({ type: 'load', manifest, code, env, logLevels })
    try {
      await instance.#within(instance.#loaded.promise, options.loadTimeoutMs, 'loading')
    } catch (error) {
      instance.#isOpen = false
      await runner.kill()
      throw error
    }
    return instance
  }

  fetch(request: Request, context: FunctionContext): Promise<Response> {
    if (!this.#isOpen) throw this.#gone()
    const incoming = toIncoming(request)
    const call = new RemoteCall(++this.#lastId, this.#share, sourceOf(incoming), context)
    this.#calls.set(call.id, call)
    this.#latest = context
    onRequestAbort(incoming, reason => {
      if ((reason as Error | undefined)?.name === 'TimeoutError') {
        call.giveUp(reason)
        this.#checkPulse()
      } else {
        call.abort(reason)
      }
    })
    call.send()
    return call.answer
  }

  /**
   * Rejects with what `onUnload` throws; FezzError `INSTANCE_EXITED` when the runner dies meanwhile,
   * `FUNCTION_TIMEOUT` when it takes too long. The runner is gone all the same.
   */
  unload(): Promise<void> {
    this.#unloading ??= this.#unload()
    return this.#unloading
  }

  async #unload(): Promise<void> {
    // It may have been given up before it was gone.
    if (this.#ending !== undefined) return this.#runner.kill()
    this.#isOpen = false
    this.#runner.channel.send({ type: 'unload' })
    try {
      await this.#within(this.#unloaded.promise, this.#options.unloadTimeoutMs, 'unloading')
    } finally {
      this.#isUnloaded = true
      await this.#runner.kill()
    }
  }

  #receive(message: ToHost): void {
    switch (message.type) {
      case 'loaded':
        this.#loaded.resolve()
        break
      case 'load-failed':
        this.#loaded.reject(fromSentError(message.error))
        break
      case 'unloaded':
        if (message.error === undefined) this.#unloaded.resolve()
        else this.#unloaded.reject(fromSentError(message.error))
        break
      case 'pong':
        this.#ping?.cancel()
        this.#ping = undefined
        break
      case 'log':
        this.#log(message)
        break
      case 'uncaught': {
        if (!this.#logged.take(lengthOf(message.error))) break
        const what = message.kind === 'exception' ? 'uncaught exception' : 'unhandled rejection'
        const err = fromSentError(message.error)
        this.#options.log.error({ functionId: this.#manifest.id, err }, what)
        break
      }
      case 'wait-until':
        this.#waitUntil(message)
        break
      case 'settled':
        this.#settled(message)
        break
      default:
        this.#receiveOfCall(message)
    }
  }

  #receiveOfCall(message: CallMessage): void {
    const call = this.#calls.get(message.id)
    if (call === undefined) {
      if (typeof message.id !== 'number') throw new TypeError('a runner said what is no message')
      // Of a request that was given up; the runner lets go of its body when it hears of that.
      return
    }
    switch (message.type) {
      case 'response':
        call.responded(message)
        break
      case 'failed':
        call.failed(message.error)
        break
      case 'chunk':
        call.chunk(message.bytes)
        break
      case 'end':
        call.ended(message.error)
        break
      case 'credit':
        call.credit(message.bytes)
        break
      case 'cancel':
        call.cancelled()
        break
    }
  }

  #waitUntil({ id, promise }: WaitUntilMessage): void {
    const key = `${id}/${promise}`
    if (this.#waits.has(key) || this.#waits.size >= MAX_WAITS) {
      throw new RangeError('a runner waits for more than it may')
    }
    const call = this.#calls.get(id)
    call?.waits()
    const { timeoutMs } = this.#manifest
    const wait: Wait = {
      ...Promise.withResolvers<void>(),
      call,
      timer:
        timeoutMs === undefined
          ? undefined
          : this.#options.clock.setTimer(() => this.#expire(key, call), timeoutMs),
    }
    this.#waits.set(key, wait)
    // Any context keeps the instance in use; that of a request that is over is not kept for it.
    const context = call?.context ?? this.#latest
    context?.waitUntil(wait.promise)
    // Whatever the context does with it, its failure is not the host's.
    wait.promise.catch(() => {})
  }

  #settled({ id, promise, error }: SettledMessage): void {
    const key = `${id}/${promise}`
    const wait = this.#waits.get(key)
    if (wait === undefined) return
    this.#waits.delete(key)
    wait.timer?.cancel()
    // Who hears of a failure logs it: it is a line like those that the function logs itself.
    if (error === undefined || !this.#logged.take(lengthOf(error))) wait.resolve()
    else wait.reject(fromSentError(error))
    wait.call?.waited()
  }

  /** A promise that never settles keeps nothing in the host's memory, as it keeps no instance. */
  #expire(key: string, call: RemoteCall | undefined): void {
    this.#waits.delete(key)
    call?.expired(new DOMException('waitUntil took too long', 'TimeoutError'))
  }

  #log({ level, fields, message, error }: LogMessage): void {
    if (!LOG_LEVELS.includes(level)) throw new TypeError('a runner logged at no level')
    // Of a text, a line would have a field for each character.
    if (!fields.startsWith('{') || fields.length > MAX_FIELDS_CHARS)
      throw new RangeError('a runner logged what are no fields')
    if (!this.#logged.take(fields.length + lengthOf(error) + textOf(message).length)) return
    const line = {
      ...JSON.parse(fields),
      ...(error && { err: fromSentError(error) }),
      functionId: this.#manifest.id,
    }
    if (message === undefined) this.#options.log[level](line)
    else this.#options.log[level](line, textOf(message))
  }

  /** A function that is past a deadline may be in a loop that no abort reaches. */
  #checkPulse(): void {
    if (this.#ping !== undefined || this.#ending !== undefined) return
    const { clock, killGraceMs } = this.#options
    this.#runner.channel.send({ type: 'ping' })
    const ping = clock.setTimer(() => {
      // If it was the host that stood still, the answer is here and is read first.
      setImmediate(() => {
        if (this.#ping !== ping) return
        const message = `function "${this.#manifest.id}" blocked its event loop for ${killGraceMs} ms after its deadline`
        this.#kill({ reason: 'killed', cause: new FezzError('FUNCTION_TIMEOUT', message) })
      })
    }, killGraceMs)
    this.#ping = ping
  }

  /**
   * A thread in a call outside of JavaScript ends after that call only. Then it is as good as gone:
   * nobody is to wait for it, nor be sent to it.
   */
  #kill(verdict: InstanceExit): void {
    this.#verdict ??= verdict
    void this.#runner.kill()
    const { clock, killGraceMs } = this.#options
    this.#dying ??= clock.setTimer(() => this.#ended(verdict), killGraceMs)
  }

  /** Without its channel a runner is of no use, even if it lives. */
  #lost(cause: unknown): void {
    if (this.#ending !== undefined) return
    if (cause === undefined) void this.#runner.kill()
    else this.#kill({ reason: 'crash', cause })
  }

  #ended(exit: InstanceExit): void {
    if (this.#ending !== undefined) return
    const ending = this.#verdict ?? exit
    this.#ending = ending
    this.#isOpen = false
    this.#ping?.cancel()
    this.#ping = undefined
    this.#dying?.cancel()
    this.#runner.channel.close()
    // First, so that nobody who hears of a failed request can still be given this instance.
    if (this.#unloading === undefined) this.#exit.resolve(ending)
    const error = this.#gone()
    this.#loaded.reject(error)
    this.#unloaded.reject(error)
    for (const call of this.#calls.values()) call.lose(error)
    this.#calls.clear()
    for (const wait of this.#waits.values()) {
      wait.timer?.cancel()
      if (this.#logged.take()) wait.reject(error)
      else wait.resolve()
    }
    this.#waits.clear()
    this.#logged.close()
  }

  #gone(): FezzError {
    const { reason, cause } = (this.#isUnloaded ? undefined : this.#ending) ?? {}
    const how = reason === undefined ? 'has been unloaded' : `has ended: ${HOW[reason]}`
    return new FezzError(
      'INSTANCE_EXITED',
      `the instance of function "${this.#manifest.id}" ${how}`,
      cause === undefined ? {} : { cause },
    )
  }

  async #within(work: Promise<void>, limitMs: number, what: string): Promise<void> {
    const timer = this.#options.clock.setTimer(() => {
      const message = `${what} function "${this.#manifest.id}" took longer than ${limitMs} ms`
      const error = new FezzError('FUNCTION_TIMEOUT', message)
      this.#loaded.reject(error)
      this.#unloaded.reject(error)
    }, limitMs)
    try {
      await work
    } finally {
      timer.cancel()
    }
  }
}

const HOW: Readonly<Record<InstanceExit['reason'], string>> = {
  crash: 'it crashed',
  'out-of-memory': 'it was out of memory',
  killed: 'it was killed',
}
