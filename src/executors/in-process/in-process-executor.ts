import type { AsyncResource } from 'node:async_hooks'
import { FezzError } from '../../errors.ts'
import { type BoundFunction, bindFunction, exportOf } from '../../function/adapt.ts'
import type {
  ArtifactCode,
  Code,
  Deployment,
  FunctionContext,
  Instance,
  InstanceExit,
  LifecycleContext,
  LiveCode,
} from '../../function/contract.ts'
import { invalidFunction } from '../../function/manifest.ts'
import { platformRequest } from '../../http/web/incoming-request.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { Executor } from '../executor.ts'
import { captureScope, runInScopeOf } from './function-scope.ts'

/** A module that was evaluated. */
export interface EvaluatedModule {
  readonly exports: object
  /** Ends what evaluating it has started, such as timers. */
  dispose(): void
}

export interface InProcessExecutorOptions {
  /** Runs the code of an artifact, anew each time. */
  evaluate(code: ArtifactCode): Promise<EvaluatedModule>
  /** Its children go to the functions' lifecycle hooks. */
  readonly log: Logger
}

/** Runs instances in the host's own thread: the fastest way, and without any isolation. */
export class InProcessExecutor implements Executor {
  readonly kind = 'in-process'
  readonly #options: InProcessExecutorOptions
  readonly #instances = new Set<Instance>()
  #closing: Promise<void> | undefined

  constructor(options: InProcessExecutorOptions) {
    this.#options = options
  }

  prepare(): void {}

  load(deployment: Deployment): Promise<Instance> {
    const { id: functionId, version } = deployment.manifest
    return runInScopeOf({ functionId, version }, () => this.#load(deployment))
  }

  async forget(): Promise<void> {}

  /**
   * Unloads every instance. A load that is still under way then rejects when its `onLoad` has ended.
   * Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= Promise.allSettled(
      Array.from(this.#instances, instance => instance.unload()),
    ).then(() => {})
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #load({ manifest, code, env }: Deployment): Promise<Instance> {
    this.#refuseIfClosed()
    if (code.kind === 'program' || code.kind === 'image') throw foreignCode(manifest.id, code.kind)
    const module = code.kind === 'artifact' ? await this.#options.evaluate(code) : undefined
    const context: LifecycleContext = {
      functionId: manifest.id,
      version: manifest.version,
      env: Object.freeze({ ...env }),
      log: this.#options.log.child({ functionId: manifest.id }),
    }
    let bound: BoundFunction
    try {
      bound = bindFunction(functionValue(code, module))
      await bound.onLoad?.(context)
    } catch (error) {
      module?.dispose()
      throw error
    }
    const instance = new InProcessInstance(withRequestsFor(code, bound), context, () => {
      this.#instances.delete(instance)
      module?.dispose()
    })
    this.#instances.add(instance)
    if (this.#closing !== undefined) {
      await instance.unload()
      this.#refuseIfClosed()
    }
    return instance
  }

  #refuseIfClosed(): void {
    if (this.#closing !== undefined) throw new FezzError('DRAINING', 'the executor is closed')
  }
}

class InProcessInstance implements Instance {
  /** One for each instance: what waits on a promise shared by all would pile up on it. */
  readonly exited = new Promise<InstanceExit>(() => {})
  /** Whatever the function starts is attributed to it, also what it starts later. */
  readonly #scope: AsyncResource = captureScope()
  #fetch: BoundFunction['fetch']
  #end: (() => Promise<void>) | undefined
  #unloading: Promise<void> | undefined

  constructor(bound: BoundFunction, context: LifecycleContext, release: () => void) {
    this.#fetch = bound.fetch
    this.#end = async () => {
      try {
        await bound.onUnload?.(context)
      } finally {
        release()
      }
    }
  }

  fetch(request: Request, context: FunctionContext): Response | Promise<Response> {
    return this.#scope.runInAsyncScope(this.#fetch, undefined, request, context)
  }

  /** Rejects with what `onUnload` throws; everything is released all the same. */
  unload(): Promise<void> {
    this.#unloading ??= this.#unload()
    return this.#unloading
  }

  #unload(): Promise<void> {
    const end = this.#end as () => Promise<void>
    // Whoever keeps the instance must not keep the function.
    this.#end = undefined
    this.#fetch = refuse
    return this.#scope.runInAsyncScope(end)
  }
}

function refuse(): never {
  throw new FezzError('INSTANCE_EXITED', 'the instance has been unloaded')
}

/** For code of a kind that only others can run. */
function foreignCode(id: string, kind: 'program' | 'image'): FezzError {
  const able = kind === 'image' ? '"container"' : '"process" or "container"'
  return invalidFunction(
    id,
    `its code is not JavaScript that this host can evaluate; write executor: ${able}`,
  )
}

function functionValue(
  code: ArtifactCode | LiveCode,
  module: EvaluatedModule | undefined,
): unknown {
  if (code.kind === 'live') return code.value
  return exportOf((module as EvaluatedModule).exports, code.exportName)
}

/**
 * Code that was evaluated with Fezz's own web types takes requests as they are; a live value that
 * knows the platform's alone gets one of those.
 */
function withRequestsFor(code: Code, bound: BoundFunction): BoundFunction {
  if (code.kind !== 'live' || code.webTypes !== 'platform') return bound
  const { fetch } = bound
  return { ...bound, fetch: (request, context) => fetch(platformRequest(request), context) }
}
