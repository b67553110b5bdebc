import type { InstanceSource } from '../../src/executors/executor.ts'
import { PooledSource } from '../../src/executors/instance-pool/pooled-source.ts'
import type {
  Deployment,
  FunctionContext,
  Instance,
  InstanceExit,
} from '../../src/function/contract.ts'
import type { Execution } from '../../src/function/execution.ts'
import type { Manifest } from '../../src/function/manifest.ts'
import { FezzResponse } from '../../src/http/web/fezz-response.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { deploymentOf } from '../helpers/fake-instance.ts'
import { watch } from '../helpers/watch.ts'

export const IDLE_TTL_MS = 10_000
export const TIMEOUT_MS = 30_000
export const LOAD_TIMEOUT_MS = 1_000

/** A request at an instance, which is answered when the test says so. */
export interface Served {
  readonly instance: PooledInstance
  readonly context: FunctionContext
  isOpen: boolean
  answer(response: Response): void
  fail(error: unknown): void
}

/** An instance that answers, dies and is unloaded when the test says so. */
export class PooledInstance implements Instance {
  readonly name: number
  readonly served: Served[] = []
  unloads = 0
  dead = false
  readonly #source: PoolSource
  readonly #exited = Promise.withResolvers<InstanceExit>()

  constructor(name: number, source: PoolSource) {
    this.name = name
    this.#source = source
  }

  get exited(): Promise<InstanceExit> {
    return this.#exited.promise
  }

  get isUsable(): boolean {
    return !this.dead && this.unloads === 0
  }

  fetch(_: Request, context: FunctionContext): Promise<Response> {
    const { promise, resolve, reject } = Promise.withResolvers<Response>()
    const end = <Value>(settle: (value: Value) => void) => {
      return (value: Value) => {
        served.isOpen = false
        settle(value)
      }
    }
    const served: Served = {
      instance: this,
      context,
      isOpen: true,
      answer: end(resolve),
      fail: end(reject),
    }
    this.served.push(served)
    return promise
  }

  unload(): Promise<void> {
    this.unloads++
    return this.#source.unloading(this)
  }

  /** As an executor does it: what it serves fails, and everybody is told. */
  die(reason: InstanceExit['reason'] = 'crash'): void {
    this.dead = true
    for (const { fail } of this.served) fail(new Error('the instance died'))
    this.#exited.resolve({ reason, cause: new Error(`instance ${this.name} died`) })
  }
}

/** A source whose loads and unloads succeed at once, unless the test holds or breaks them. */
export class PoolSource implements InstanceSource {
  readonly instances: PooledInstance[] = []
  readonly calls: string[] = []
  loads = 0
  /** What each load waits for; a rejection is its failure. */
  loading: (load: number) => Promise<void> = () => Promise.resolve()
  /** What each unload waits for. */
  unloading: (instance: PooledInstance) => Promise<void> = () => Promise.resolve()

  prepare({ manifest }: Deployment): void {
    this.calls.push(`prepare ${manifest.id}`)
  }

  async load(): Promise<Instance> {
    await this.loading(this.loads++)
    const instance = new PooledInstance(this.instances.length, this)
    this.instances.push(instance)
    return instance
  }

  async forget({ manifest }: Deployment): Promise<void> {
    this.calls.push(`forget ${manifest.id}`)
  }

  async close(): Promise<void> {
    this.calls.push('close')
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** A pooled source on a fake clock, whose retries come after exactly half of each cap. */
export function setup() {
  const clock = new FakeClock()
  const source = new PoolSource()
  const pooled = new PooledSource(source, {
    idleTtlMs: IDLE_TTL_MS,
    loadTimeoutMs: LOAD_TIMEOUT_MS,
    functionTimeoutMs: TIMEOUT_MS,
    log: createLogger({ level: 'silent' }),
    clock,
    random: () => 0,
  })
  const waited: Promise<unknown>[] = []
  const context = { waitUntil: (promise: Promise<unknown>) => void waited.push(promise) }
  const request = (instance: Instance) =>
    watch((async () => instance.fetch(new Request('http://f/'), context as never))())
  return {
    clock,
    source,
    pooled,
    /** What the context of the requests was told to wait for. */
    waited,
    load: (execution: Execution, manifest: Partial<Manifest> = {}) =>
      pooled.load(deploymentOf('f', { timeoutMs: TIMEOUT_MS, ...manifest, execution })),
    request,
    requests: (instance: Instance, count: number) =>
      Array.from({ length: count }, () => request(instance)),
    /** How many requests each instance has got so far. */
    served: () => source.instances.map(({ served }) => served.length),
    unloads: () => source.instances.map(({ unloads }) => unloads),
    /** Those that are alive and have not been unloaded. */
    usable: () => source.instances.filter(each => each.isUsable).map(({ name }) => name),
    answerAll(): void {
      for (const { served } of source.instances) {
        for (const { answer } of served) answer(FezzResponse.text('ok'))
      }
    },
  }
}
