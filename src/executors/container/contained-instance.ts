import type { FunctionContext, Instance, InstanceExit } from '../../function/contract.ts'
import type { FunctionContainer } from './function-container.ts'

/** An instance that a runner in a container has; its unload ends the runner, not the container. */
export class ContainedInstance implements Instance {
  readonly exited: Promise<InstanceExit>
  readonly #instance: Instance
  readonly #container: FunctionContainer
  readonly #rest: (after: Promise<void>) => Promise<void>
  #unloading: Promise<void> | undefined

  /** @param rest what becomes of the container after the unload that it is given */
  constructor(
    instance: Instance,
    container: FunctionContainer,
    rest: (after: Promise<void>) => Promise<void>,
  ) {
    this.exited = instance.exited
    this.#instance = instance
    this.#container = container
    this.#rest = rest
  }

  fetch(request: Request, context: FunctionContext): Response | Promise<Response> {
    return this.#instance.fetch(request, context)
  }

  /** Rejects with what `onUnload` throws; the container is at rest all the same. */
  unload(): Promise<void> {
    this.#unloading ??= this.#unload()
    return this.#unloading
  }

  async #unload(): Promise<void> {
    if (this.#container.isRunning) this.#container.expectEnd()
    const unloading = this.#instance.unload()
    await Promise.allSettled([unloading, this.#rest(unloading)])
    await unloading
  }
}
