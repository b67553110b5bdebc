import { type Clock, systemClock } from '../clock.ts'
import { FezzError } from '../errors.ts'
import type { ArtifactCode, Deployment, Instance } from '../function/contract.ts'
import type { ExecutorKind } from '../function/execution.ts'
import type { Executor, InstanceSource } from './executor.ts'
import { executorKindOf } from './executor-kind.ts'

export interface ExecutorsOptions {
  readonly inProcess: Executor
  /** Makes the others, each when a deployment first names it: a host pays for what it uses. */
  readonly open: Readonly<
    Record<Exclude<ExecutorKind, 'in-process'>, () => Executor | Promise<Executor>>
  >
  /** Makes the code of an artifact present on this machine; awaited before each of its loads. */
  ensure(code: ArtifactCode): Promise<void>
  /** Called once when all of them are closed: for what they share. */
  closed?(): Promise<void>
  /** Default: the machine's. */
  readonly clock?: Clock
}

const GIVE_UP_MS = 1_000

/**
 * All executors of a host behind one door: each deployment goes to the one that its manifest names;
 * JavaScript that names none, to in-process.
 */
export class Executors implements InstanceSource {
  readonly #options: ExecutorsOptions
  readonly #opened = new Map<ExecutorKind, Promise<Executor>>()
  #closing: Promise<void> | undefined

  constructor(options: ExecutorsOptions) {
    this.#options = options
  }

  prepare(deployment: Deployment): void {
    const kind = this.#kindOf(deployment)
    if (kind === 'in-process') return
    this.#executor(kind).then(
      executor => executor.prepare(deployment),
      // Its first load fails with the same, and is told.
      () => {},
    )
  }

  /** @throws FezzError `INVALID_MANIFEST` for code that cannot run where its manifest says */
  async load(deployment: Deployment): Promise<Instance> {
    const { code } = deployment
    const kind = this.#kindOf(deployment)
    const { inProcess, ensure } = this.#options
    const executor = kind === 'in-process' ? inProcess : this.#executor(kind)
    const [ready] = await Promise.all([
      executor,
      code.kind === 'artifact' ? ensure(code) : undefined,
    ])
    return ready.load(deployment)
  }

  async forget(deployment: Deployment): Promise<void> {
    const opened = this.#opened.get(this.#kindOf(deployment))
    const executor = await opened?.catch(() => undefined)
    await executor?.forget(deployment)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const others = Array.from(this.#opened.values(), async opened => {
      const executor = await opened.catch(() => undefined)
      await executor?.close()
    })
    const { inProcess, closed, clock = systemClock } = this.#options
    // Nobody else can end a function that hangs here, and whoever closes has waited for it already.
    const givenUp = Promise.withResolvers<void>()
    const timer = clock.setTimer(givenUp.resolve, GIVE_UP_MS)
    const own = Promise.race([inProcess.close(), givenUp.promise]).finally(() => timer.cancel())
    const outcomes = await Promise.allSettled([own, ...others])
    await closed?.()
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }

  #executor(kind: Exclude<ExecutorKind, 'in-process'>): Promise<Executor> {
    const opened = this.#opened.get(kind)
    if (opened !== undefined) return opened
    if (this.#closing !== undefined) {
      return Promise.reject(new FezzError('DRAINING', 'the executors are closed'))
    }
    const opening = (async () => this.#options.open[kind]())()
    this.#opened.set(kind, opening)
    // What failed to open is tried again by the next load.
    opening.catch(() => this.#opened.delete(kind))
    return opening
  }

  #kindOf(deployment: Deployment): ExecutorKind {
    return executorKindOf(deployment, 'in-process')
  }
}
