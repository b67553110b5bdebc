import cluster, { type Worker } from 'node:cluster'
import { setImmediate as turn } from 'node:timers/promises'
import { FezzError } from '../../errors.ts'
import type { Exposition } from '../../telemetry/prometheus.ts'
import { snapshotSlices } from '../../telemetry/totals.ts'
import type { DeployableFunction, HostServer, WorkerRole } from '../host-server.ts'
import type { HostStatus, HostTotals } from '../system-endpoints.ts'
import type { SupervisorMessage, WorkerMessage } from './protocol.ts'
import { Watchdog } from './watchdog.ts'

/** Samples told in one turn of the event loop: less than 1 ms. */
const SLICE = 250
/** How long the supervisor may take to add up; a worker that then answers for itself is no loss. */
const ANSWER_MS = 2_000

/** A question to the supervisor that has not been answered. */
interface Question {
  readonly texts: string[]
  readonly resolve: (answer: Exposition | HostStatus | undefined) => void
}

/** A worker's end of the channel to its supervisor: its {@link WorkerRole}, and who obeys. */
export class WorkerLink implements WorkerRole, AsyncDisposable {
  readonly number: number
  readonly totals: HostTotals = {
    exposition: () => this.#ask('exposition') as Promise<Exposition | undefined>,
    status: () => this.#ask('status') as Promise<HostStatus | undefined>,
  }
  readonly #worker: Worker
  readonly #watchdog: Watchdog | undefined
  readonly #questions = new Map<number, Question>()
  #nextQuestion = 1
  #server: HostServer | undefined
  #isReady = false
  #reporting: Promise<void> | undefined
  #closing: Promise<void> | undefined

  /** @param stuckTimeoutMs time without progress that ends the process; 0: none does */
  constructor(stuckTimeoutMs: number) {
    this.#worker = cluster.worker as Worker
    this.number = this.#worker.id
    this.#watchdog = stuckTimeoutMs > 0 ? new Watchdog(stuckTimeoutMs) : undefined
    process
      .on('message', this.#onMessage)
      // Before the listener of node:cluster, which ends the process at once.
      .prependListener('disconnect', this.#onDisconnect)
      // It means the supervisor, but a terminal sends it to all.
      .on('SIGHUP', ignore)
  }

  onDeploy(functions: readonly DeployableFunction[]): void {
    this.#watchdog?.watch(functions)
  }

  onProgress(): void {
    this.#watchdog?.beat()
  }

  /** Makes the supervisor's word count for `server`: reports, drain. */
  serve(server: HostServer): void {
    this.#server = server
  }

  /** Tells that the server listens. */
  ready(): void {
    this.#isReady = true
    this.#send({ kind: 'ready' })
  }

  /** Tells why there is nothing to serve. @returns whether the supervisor can judge it */
  fail(error: unknown): boolean {
    if (!(error instanceof FezzError) || !process.connected) return false
    this.#send({ kind: 'failed', code: error.code, message: error.message })
    return true
  }

  /** Makes a last report, and lets the process end. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    await this.#report()
    process.off('message', this.#onMessage).off('SIGHUP', ignore)
    this.#giveUpQuestions()
    await this.#watchdog?.close()
    // By the listener on `disconnect` this is no accident.
    if (process.connected) process.disconnect?.()
  }

  readonly #onMessage = (message: SupervisorMessage): void => {
    switch (message.kind) {
      case 'report':
        void this.#report()
        break
      case 'drain':
        void this.#server?.drain(message.isReplaced)
        break
      case 'text':
        this.#questions.get(message.id)?.texts.push(message.text)
        break
      case 'exposition': {
        const { id, contentType } = message
        const body = this.#questions.get(id)?.texts.map(text => Buffer.from(text)) ?? []
        this.#answer(id, { contentType, body })
        break
      }
      case 'status':
        this.#answer(message.id, message.status)
        break
    }
  }

  /** The supervisor is gone, or has let go of this worker. */
  readonly #onDisconnect = (): void => {
    this.#worker.exitedAfterDisconnect = true
    this.#giveUpQuestions()
    if (this.#closing !== undefined) return
    this.#server?.log.warn('the supervisor is gone')
    // One that has not begun to serve has nothing to finish.
    if (!this.#isReady) process.exit(1)
    void this.#server?.drain()
  }

  /** Joined by whoever asks meanwhile. */
  #report(): Promise<void> {
    this.#reporting ??= this.#tell().finally(() => {
      this.#reporting = undefined
    })
    return this.#reporting
  }

  async #tell(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    for (const families of snapshotSlices(server.families(), SLICE)) {
      this.#send({ kind: 'families', families })
      await turn()
    }
    this.#send({ kind: 'reported', status: server.host.status() })
  }

  #ask(form: 'exposition' | 'status'): Promise<Exposition | HostStatus | undefined> {
    if (!process.connected) return Promise.resolve(undefined)
    const id = this.#nextQuestion++
    const { promise, resolve } = Promise.withResolvers<Exposition | HostStatus | undefined>()
    const timer = setTimeout(() => this.#answer(id, undefined), ANSWER_MS)
    this.#questions.set(id, { texts: [], resolve })
    this.#send({ kind: 'ask', id, form })
    return promise.finally(() => clearTimeout(timer))
  }

  #answer(id: number, answer: Exposition | HostStatus | undefined): void {
    const question = this.#questions.get(id)
    this.#questions.delete(id)
    question?.resolve(answer)
  }

  #giveUpQuestions(): void {
    for (const id of this.#questions.keys()) this.#answer(id, undefined)
  }

  #send(message: WorkerMessage): void {
    // What the supervisor can't be told any more is of no use to anyone.
    if (process.connected) process.send?.(message, undefined, {}, () => {})
  }
}

function ignore(): void {}
