import { chmod } from 'node:fs/promises'
import { backoffMs, pause } from '../../backoff.ts'
import { type Clock, systemClock } from '../../clock.ts'
import { FezzError } from '../../errors.ts'
import type { Deployment, Instance } from '../../function/contract.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { noteEngine } from '../engine-note.ts'
import type { Executor } from '../executor.ts'
import type { RunFolder } from '../run-folder.ts'
import { Awakening } from './awakening.ts'
import { type ContainerPlan, planContainer } from './container-plan.ts'
import { containerSettings } from './container-settings.ts'
import { Engine } from './engine.ts'
import { type EngineAddress, findEngine } from './engine-address.ts'
import { engineMessage, isMissing, isPortTaken } from './engine-error.ts'
import { FunctionContainer } from './function-container.ts'
import { Images } from './images.ts'
import { labelsOf, removeOrphans } from './labels.ts'
import { Reach } from './reach.ts'
import { Shelf } from './shelf.ts'
import { Turns } from './turns.ts'

export interface ContainerExecutorOptions {
  readonly log: Logger
  /** For sockets. Closed by its owner, after this executor. */
  readonly runFolder: RunFolder
  /** Who this host is, the same after a restart: what it finds of a dead one of that name it removes. */
  readonly owner: string
  /** Default: see {@link findEngine}. It must run on this machine. */
  readonly engine?: EngineAddress
  /** Image with `node` in its PATH, for JavaScript. */
  readonly nodeImage?: string
  /** A file with credentials of registries, such as Docker's config.json. */
  readonly registryConfig?: string
  /** Folders `SOURCE:TARGET[:ro]` of this machine that every container has. */
  readonly binds?: readonly string[]
  /** How long a container may take to serve, or `onLoad`. Default 30,000. */
  readonly loadTimeoutMs?: number
  /** How long `onUnload` may take. Default 10,000. */
  readonly unloadTimeoutMs?: number
  /** What a container gets to end after SIGTERM; in whole seconds. Default 5,000. */
  readonly stopGraceMs?: number
  /** What an instance gets to show a sign of life after a missed deadline. Default 1,000. */
  readonly killGraceMs?: number
  /** Default: the machine's. */
  readonly clock?: Clock
}

/** Starts at once: more of them together take no less time, and starve what runs. */
const STARTS = 8
/** For the engine to remove all containers, after they have ended. */
const CLOSE_MS = 30_000
/** How often a new container may find its port taken by another program. */
const PORT_TRIES = 3

/** The wait before the engine is asked again to remove what it did not remove. */
const REMOVE_AGAIN = { firstMs: 500, maxMs: 60_000 } as const
/** How engines say that they have no init of their own to put into a container. */
const NO_INIT = /container-init|docker-init|catatonit/

/**
 * Runs each instance in a container, of an image or of what an image of Node is given. What is
 * unloaded sleeps, paused or stopped, until its deployment is loaded again or forgotten; see
 * {@link Shelf} for who holds a container when. Nothing is created before a first load, so that
 * definitions alone cost nothing.
 */
export class ContainerExecutor implements Executor {
  readonly kind = 'container'
  readonly #options: ContainerExecutorOptions
  readonly #engine: Engine
  readonly #images: Images
  readonly #reach = new Reach()
  readonly #starts = new Turns(STARTS)
  readonly #shelves = new Map<Deployment, Shelf>()
  readonly #containers = new Set<FunctionContainer>()
  /** Those of them that the engine did not remove when it was to. */
  readonly #leftovers = new Set<FunctionContainer>()
  #clearing: Promise<void> | undefined
  readonly #instances = new Set<Instance>()
  readonly #loads = new Set<Promise<unknown>>()
  readonly #closed = new AbortController()
  #opening: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #hasInit = true

  constructor(options: ContainerExecutorOptions) {
    const { log, registryConfig } = options
    this.#options = options
    this.#engine = new Engine(options.engine ?? findEngine(process.env), options.loadTimeoutMs)
    this.#images = new Images({
      engine: this.#engine,
      signal: this.#closed.signal,
      log,
      ...(registryConfig !== undefined && { registryConfig }),
    })
  }

  /** Pulls the image. */
  prepare(deployment: Deployment): void {
    if (this.#closing !== undefined) return
    const preparing = async () => {
      const { image } = planContainer(deployment, this.#options.nodeImage)
      await this.#open()
      await this.#images.ensure(image)
    }
    // What fails here fails again at the load, and is told then.
    preparing().catch(() => {})
  }

  /**
   * @throws FezzError `INVALID_MANIFEST` for code that no container can run, `ARTIFACT_UNAVAILABLE`
   *   without its image, `FUNCTION_LOAD_FAILED` without an engine and when the container ends before
   *   it serves, `FUNCTION_TIMEOUT` when it takes too long, `DRAINING`
   * @throws what `onLoad` throws
   */
  async load(deployment: Deployment): Promise<Instance> {
    this.#refuseIfClosed()
    const plan = planContainer(deployment, this.#options.nodeImage)
    const loading = this.#load(deployment, plan)
    this.#loads.add(loading)
    try {
      const instance = await loading
      if (this.#closing !== undefined) await instance.unload()
      this.#refuseIfClosed()
      return instance
    } finally {
      this.#loads.delete(loading)
    }
  }

  async forget(deployment: Deployment): Promise<void> {
    const shelf = this.#shelves.get(deployment)
    if (shelf === undefined) return
    this.#shelves.delete(deployment)
    shelf.forget()
    for (let next = await shelf.take(); next !== undefined; next = await shelf.take()) {
      await this.#discard(next)
    }
  }

  /** Unloads every instance, and removes every container. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#closed.abort(closedError())
    const { unloadTimeoutMs = 10_000, stopGraceMs = 5_000 } = this.#options
    // What an engine that does not answer leaves behind, the next host removes.
    const giveUp = () => this.#engine.close()
    const timer = this.#clock.setTimer(giveUp, unloadTimeoutMs + stopGraceMs + CLOSE_MS)
    const earlier = new Set(this.#leftovers)
    await Promise.allSettled(Array.from(this.#instances, instance => instance.unload()))
    await Promise.allSettled(this.#loads)
    // What could not be removed just now need not be tried twice.
    const rest = [...this.#containers].filter(one => earlier.has(one) || !this.#leftovers.has(one))
    await Promise.all(rest.map(one => this.#starts.run(() => this.#discard(one))))
    timer.cancel()
    this.#engine.close()
    // With the note that there is something to remove, and where.
    if (this.#containers.size > 0) this.#options.runFolder.keep()
  }

  #refuseIfClosed(): void {
    if (this.#closing !== undefined) throw closedError()
  }

  /** Before the first container, what a dead host has left is removed. */
  #open(): Promise<void> {
    const { owner, log, runFolder } = this.#options
    this.#opening ??= (async () => {
      // It removes much of the same.
      await runFolder.cleared
      await removeOrphans(this.#engine, owner, log)
      // Not before: it is an engine, and nothing is in it yet.
      noteEngine(runFolder.path, this.#engine.address)
    })()
    this.#opening.catch(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #load(deployment: Deployment, plan: ContainerPlan): Promise<Instance> {
    await this.#open()
    this.#refuseIfClosed()
    const shelf = this.#shelfOf(deployment)
    for (let madeAnew = 0; ; ) {
      const sleeper = await shelf.take()
      const container = sleeper ?? (await this.#create(deployment, plan))
      const awakening = this.#awakening(deployment, plan, container)
      try {
        await this.#starts.run(() => awakening.begin())
        return await this.#finish(awakening, container, shelf)
      } catch (error) {
        await this.#discard(container)
        // One that slept may have lost what it needs, such as its port, or have left itself something
        // in the way, such as a file with its pid: a new one has neither.
        if (isOver(error)) throw error
        // The engine chooses a port when a container is made, and takes it when it starts.
        const isUnlucky = isPortTaken(error) && madeAnew++ < PORT_TRIES
        if (sleeper === undefined && !isUnlucky) throw error
        const functionId = deployment.manifest.id
        this.#options.log.warn(
          { functionId, err: error },
          'a container cannot be woken, and is made anew',
        )
      }
    }
  }

  #awakening(deployment: Deployment, plan: ContainerPlan, container: FunctionContainer): Awakening {
    const { loadTimeoutMs = 30_000, unloadTimeoutMs = 10_000, killGraceMs = 1_000 } = this.#options
    return new Awakening({
      deployment,
      plan,
      container,
      reach: this.#reach,
      loadTimeoutMs,
      unloadTimeoutMs,
      killGraceMs,
      log: this.#options.log,
      clock: this.#clock,
      signal: this.#closed.signal,
    })
  }

  async #finish(
    awakening: Awakening,
    container: FunctionContainer,
    shelf: Shelf,
  ): Promise<Instance> {
    const instance: Instance = await awakening.finish(async after => {
      await this.#rest(awakening, container, shelf, after)
      this.#instances.delete(instance)
    })
    this.#instances.add(instance)
    void instance.exited.then(() => this.#instances.delete(instance))
    return instance
  }

  /** Puts a container to sleep whose instance is unloaded; removes it when nobody will wake it. */
  async #rest(
    { deployment }: Awakening,
    container: FunctionContainer,
    shelf: Shelf,
    after: Promise<void> = Promise.resolve(),
  ): Promise<void> {
    const isLast = this.#closing !== undefined || shelf.isForgotten
    const asleep = after
      // What `onUnload` throws is for whoever unloads.
      .catch(() => {})
      .then(() => this.#sleep(deployment, container, isLast))
    if (!isLast) shelf.put(asleep)
    await asleep
  }

  async #sleep(
    { manifest: { id, execution } }: Deployment,
    container: FunctionContainer,
    isLast: boolean,
  ): Promise<FunctionContainer | undefined> {
    const { stopGraceMs = 5_000, log } = this.#options
    const how = isLast ? 'stop' : (execution.sleep ?? 'stop')
    try {
      if (container.isRunning) await container.sleep(how, stopGraceMs)
      if (!isLast && container.isAsleep) return container
    } catch (err) {
      log.warn({ functionId: id, err }, 'a container cannot be put to sleep, and is removed')
    }
    await this.#discard(container)
    return undefined
  }

  #shelfOf(deployment: Deployment): Shelf {
    let shelf = this.#shelves.get(deployment)
    if (shelf === undefined) {
      shelf = new Shelf()
      this.#shelves.set(deployment, shelf)
    }
    return shelf
  }

  async #create(deployment: Deployment, plan: ContainerPlan): Promise<FunctionContainer> {
    const { runFolder, log } = this.#options
    const folder = plan.shared === undefined ? undefined : runFolder.instance()
    // Whoever runs in the container; the folder around it lets nobody else in.
    if (folder !== undefined) await chmod(folder.home, 0o777)
    try {
      const id = await this.#createWith(deployment, plan, folder?.home)
      const { id: functionId, execution } = deployment.manifest
      const container: FunctionContainer = new FunctionContainer(id, {
        engine: this.#engine,
        functionId,
        folder,
        hasMemoryLimit: execution.memoryBytes !== undefined,
        log,
        clock: this.#clock,
        // It may have left anything behind: the next one starts from its image.
        spoilt: () => void this.#discard(container),
      })
      this.#containers.add(container)
      return container
    } catch (error) {
      await folder?.remove()
      throw error
    }
  }

  async #createWith(
    deployment: Deployment,
    plan: ContainerPlan,
    sharedFolder: string | undefined,
  ): Promise<string> {
    const { binds = [], owner } = this.#options
    for (let attempt = 1; ; attempt++) {
      const init = this.#hasInit
      const settings = containerSettings({
        plan,
        execution: deployment.manifest.execution,
        labels: labelsOf(deployment, owner),
        sharedFolder,
        binds,
        publishes: this.#reach.publishes,
        init,
      })
      try {
        return await this.#engine.create(settings)
      } catch (error) {
        const cause = (error as FezzError).cause
        if (attempt > 2) throw error
        if (init && NO_INIT.test(engineMessage(cause))) this.#hasInit = false
        else if (isMissing(cause)) await this.#images.ensure(plan.image)
        else throw error
      }
    }
  }

  /** Never rejects: what cannot be removed now is removed later, at last by the next host. */
  async #discard(container: FunctionContainer): Promise<void> {
    try {
      await container.remove()
      this.#containers.delete(container)
      this.#leftovers.delete(container)
    } catch (err) {
      this.#options.log.warn(
        { err, container: container.id.slice(0, 12) },
        'a container stays behind',
      )
      this.#leftovers.add(container)
      this.#clearing ??= this.#clearUp()
    }
  }

  /** Ends when nothing is left over, or when the executor closes. */
  async #clearUp(): Promise<void> {
    const { signal } = this.#closed
    for (let failures = 0; this.#leftovers.size > 0; failures++) {
      await pause(this.#clock, backoffMs(failures, REMOVE_AGAIN, Math.random), signal)
      if (signal.aborted) break
      for (const container of this.#leftovers) await this.#discard(container)
    }
    this.#clearing = undefined
  }

  get #clock(): Clock {
    return this.#options.clock ?? systemClock
  }
}

/** Whether there is no time left to try the same again. */
function isOver(error: unknown): boolean {
  const { code } = (error ?? {}) as { readonly code?: unknown }
  return code === 'FUNCTION_TIMEOUT' || code === 'DRAINING'
}

function closedError(): FezzError {
  return new FezzError('DRAINING', 'the executor is closed')
}
