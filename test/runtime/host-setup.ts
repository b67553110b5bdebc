import { onTestFinished } from 'vitest'
import { FezzError } from '../../src/errors.ts'
import type { Executor } from '../../src/executors/executor.ts'
import { InProcessExecutor } from '../../src/executors/in-process/in-process-executor.ts'
import type {
  Deployment,
  FunctionContext,
  Instance,
  InstanceExit,
} from '../../src/function/contract.ts'
import { manifestFor } from '../../src/function/declared.ts'
import type { ManifestInput } from '../../src/function/manifest.ts'
import type { Slot } from '../../src/function/slot.ts'
import { evaluateArtifact } from '../../src/loader/evaluate.ts'
import { type ConfigInput, resolveConfig } from '../../src/runtime/config.ts'
import { Host } from '../../src/runtime/host.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { FakeClock, settled } from '../helpers/fake-clock.ts'
import { type Watched, watch } from '../helpers/watch.ts'

/** A line of the log. */
type Line = Readonly<Record<string, unknown>>

/**
 * A host on a fake clock with the real in-process executor behind it, whose instances can die.
 *
 * @param other an executor that is there in its place
 */
export function hostSetup(config: ConfigInput = {}, other?: Executor) {
  const clock = new FakeClock()
  const lines: Line[] = []
  const log = createLogger({
    level: config.logLevel ?? 'info',
    destination: { write: line => lines.push(JSON.parse(line)) },
  })
  const metrics = new Metrics('0.0.0-test')
  const executor = new MortalExecutor(new InProcessExecutor({ evaluate: evaluateArtifact, log }))
  // Without the look at the heap, which is that of the whole test run.
  const host = new Host({
    config: resolveConfig({ maxHeap: 0, ...config }, { env: {} }),
    log,
    metrics,
    executor: other ?? executor,
    clock,
  })
  onTestFinished(() => metrics.close())
  const fetch = (path: string, init?: RequestInit) =>
    host.fetch(new Request(`http://fezz.test${path}`, init))
  return {
    clock,
    lines,
    metrics,
    executor,
    host,
    fetch,
    /** A request that is not waited for. */
    request: (path: string, init?: RequestInit): Watched<Response> =>
      watch((async () => fetch(path, init))()),
    text: async (path: string, init?: RequestInit) => (await fetch(path, init)).text(),
    deploy: (...set: Deployment[]) => host.deploy({ set }),
    /** The slot that serves a function now. */
    slot: (id = 'f'): Slot => host.deployments.functions.get(id)!.slot,
    /** Whatever counts what goes on, all of it zero when nothing does. */
    counters: (slot: Slot) => ({
      host: host.inFlight,
      metrics: metrics.forFunction(slot.id).inFlight,
      places: slot.active,
      inUse: slot.inUse,
    }),
    async states(): Promise<Record<string, string>> {
      const response = await fetch('/_metrics', { headers: { accept: 'application/json' } })
      const { functions } = (await response.json()) as {
        functions: { name: string; version: string; state: string }[]
      }
      return Object.fromEntries(functions.map(f => [`${f.name} ${f.version}`, f.state]))
    },
  }
}

/** {@link hostSetup}'s counters when nothing goes on. */
export const AT_REST = { host: 0, metrics: 0, places: 0, inUse: false }

/** A deployment of a function of this program. Answers `/<id>` by any method, unless it is told otherwise. */
export function functionOf(value: unknown, declared: Partial<ManifestInput> = {}): Deployment {
  const id = declared.id ?? 'f'
  const manifest = manifestFor(value, { method: 'ANY', path: `/${id}`, ...declared, id })
  return { manifest, code: { kind: 'live', value, webTypes: 'fezz' }, env: manifest.env }
}

/** One call of a {@link Stage}. */
export interface Call {
  readonly request: Request
  readonly context: FunctionContext
  answer(response: unknown): void
  fail(error: unknown): void
}

/** A function whose loads, answers and unloads happen when the test says so. */
export class Stage {
  readonly calls: Call[] = []
  /** `onLoad` and `onUnload` as they began. */
  readonly events: string[] = []
  loads = 0
  unloads = 0
  /** What the next `onLoad` returns. */
  loading: () => void | Promise<void> = () => {}
  unloading: () => void | Promise<void> = () => {}

  readonly fetch = (request: Request, _env: unknown, context: FunctionContext) =>
    new Promise<Response>((resolve, reject) => {
      this.calls.push({
        request,
        context,
        answer: response => resolve(response as Response),
        fail: reject,
      })
    })

  readonly onLoad = async () => {
    this.events.push('load')
    await this.loading()
    this.loads++
  }

  readonly onUnload = async () => {
    this.events.push('unload')
    this.unloads++
    await this.unloading()
  }

  get last(): Call {
    const last = this.calls.at(-1)
    if (last === undefined) throw new Error('the function was not called')
    return last
  }
}

/** A body that goes on until the test ends it, and what became of it. */
export function openStream() {
  let controller!: ReadableStreamDefaultController<Uint8Array>
  const stream = {
    cancelled: false,
    body: new ReadableStream<Uint8Array>({
      start(given) {
        controller = given
      },
      cancel() {
        stream.cancelled = true
      },
    }),
    send: (text: string) => controller.enqueue(new TextEncoder().encode(text)),
    end: () => controller.close(),
    fail: (error: unknown) => controller.error(error),
  }
  return stream
}

/** Passes on to a real executor; what it has loaded dies on {@link MortalInstance.die}. */
class MortalExecutor implements Executor {
  readonly kind = 'in-process'
  readonly instances: MortalInstance[] = []
  readonly prepared: Deployment[] = []
  readonly forgotten: Deployment[] = []
  readonly #executor: Executor

  constructor(executor: Executor) {
    this.#executor = executor
  }

  prepare(deployment: Deployment): void {
    this.prepared.push(deployment)
    this.#executor.prepare(deployment)
  }

  async load(deployment: Deployment): Promise<Instance> {
    const instance = new MortalInstance(await this.#executor.load(deployment), deployment)
    this.instances.push(instance)
    return instance
  }

  get last(): MortalInstance {
    return this.instances.at(-1)!
  }

  forget(deployment: Deployment): Promise<void> {
    this.forgotten.push(deployment)
    return this.#executor.forget(deployment)
  }

  close(): Promise<void> {
    return this.#executor.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** An instance that crashes when the test says so, with all its requests, as a process does. */
class MortalInstance implements Instance {
  readonly deployment: Deployment
  readonly #instance: Instance
  readonly #exited = Promise.withResolvers<InstanceExit>()
  /** How often it was told to unload. */
  unloads = 0
  dead = false

  constructor(instance: Instance, deployment: Deployment) {
    this.#instance = instance
    this.deployment = deployment
  }

  get exited(): Promise<InstanceExit> {
    return this.#exited.promise
  }

  fetch(request: Request, context: FunctionContext): Response | Promise<Response> {
    const result = this.#instance.fetch(request, context)
    if (!(result instanceof Promise)) return result
    const died = this.exited.then(() => {
      throw new FezzError('INSTANCE_EXITED', 'the instance died')
    })
    return Promise.race([result, died])
  }

  unload(): Promise<void> {
    this.unloads++
    return this.#instance.unload()
  }

  async die(cause: unknown = new Error('segmentation fault')): Promise<void> {
    this.dead = true
    this.#exited.resolve({ reason: 'crash', cause })
    await settled()
  }
}
