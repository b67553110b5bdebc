import type { Deployment, Instance, InstanceExit } from '../../src/function/contract.ts'
import type { Manifest } from '../../src/function/manifest.ts'

/** A deployment whose code is never looked at. */
export function deploymentOf(id = 'f', manifest: Partial<Manifest> = {}): Deployment {
  return {
    manifest: {
      id,
      version: 'v1',
      description: '',
      routes: [{ methods: ['GET'], path: `/${id}`, priority: 0 }],
      timeoutMs: 30_000,
      preload: false,
      env: {},
      execution: {},
      ...manifest,
    },
    code: { kind: 'live', value: undefined, webTypes: 'fezz' },
    env: {},
  }
}

/** An instance that is unloaded, or dies, when the test says so. */
export class FakeInstance implements Instance {
  readonly attempt: FakeLoad
  /** How often {@link unload} was called: `onUnload` has begun. */
  unloadCalls = 0
  dead = false
  readonly #executor: FakeExecutor
  readonly #unloaded = Promise.withResolvers<void>()
  readonly #exited = Promise.withResolvers<InstanceExit>()

  constructor(executor: FakeExecutor, attempt: FakeLoad) {
    this.#executor = executor
    this.attempt = attempt
  }

  get exited(): Promise<InstanceExit> {
    return this.#exited.promise
  }

  fetch(): Response {
    return new Response(this.attempt.deployment.manifest.version)
  }

  unload(): Promise<void> {
    this.unloadCalls++
    this.#executor.onUnload?.(this)
    if (this.#executor.automatic) this.finishUnload()
    return this.#unloaded.promise
  }

  finishUnload(): void {
    this.#unloaded.resolve()
  }

  failUnload(cause: unknown): void {
    this.#unloaded.reject(cause)
  }

  exit(exit: InstanceExit = { reason: 'crash', cause: new Error('crashed') }): void {
    this.dead = true
    this.#exited.resolve(exit)
  }
}

/** One call of `load`, which ends when the test says so. */
export class FakeLoad {
  readonly deployment: Deployment
  readonly #executor: FakeExecutor
  readonly #loaded = Promise.withResolvers<Instance>()
  /** Set by {@link succeed}. */
  instance: FakeInstance | undefined
  failed = false

  constructor(executor: FakeExecutor, deployment: Deployment) {
    this.#executor = executor
    this.deployment = deployment
  }

  get promise(): Promise<Instance> {
    return this.#loaded.promise
  }

  get pending(): boolean {
    return this.instance === undefined && !this.failed
  }

  succeed(): FakeInstance {
    this.instance = new FakeInstance(this.#executor, this)
    this.#loaded.resolve(this.instance)
    return this.instance
  }

  fail(cause: unknown = new Error('onLoad threw')): void {
    this.failed = true
    this.#loaded.reject(cause)
  }
}

/** Stands in for an executor: every load and unload waits for the test, unless it is `automatic`. */
export class FakeExecutor {
  automatic: boolean
  /** Every load there was, oldest first. */
  readonly loads: FakeLoad[] = []
  onLoad: ((load: FakeLoad) => void) | undefined
  onUnload: ((instance: FakeInstance) => void) | undefined

  constructor({ automatic = false }: { readonly automatic?: boolean } = {}) {
    this.automatic = automatic
  }

  readonly load = (deployment: Deployment): Promise<Instance> => {
    const load = new FakeLoad(this, deployment)
    this.loads.push(load)
    this.onLoad?.(load)
    if (this.automatic) load.succeed()
    return load.promise
  }

  /** What was prepared and not forgotten, in order. */
  readonly prepared: Deployment[] = []

  readonly prepare = (deployment: Deployment): void => {
    this.prepared.push(deployment)
  }

  /** @throws Error when it was not prepared, or was forgotten before */
  readonly forget = (deployment: Deployment): void => {
    const at = this.prepared.indexOf(deployment)
    if (at < 0) throw new Error(`${deployment.manifest.id} is not prepared`)
    this.prepared.splice(at, 1)
  }

  /** The newest load. */
  get last(): FakeLoad {
    const last = this.loads.at(-1)
    if (last === undefined) throw new Error('nothing was loaded')
    return last
  }

  /** Every instance whose `onLoad` has succeeded, oldest first. */
  get instances(): FakeInstance[] {
    return this.loads.flatMap(load => load.instance ?? [])
  }
}
