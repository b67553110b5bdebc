import { type Clock, systemClock } from '../../clock.ts'
import { FezzError } from '../../errors.ts'
import type { Deployment, Instance } from '../../function/contract.ts'
import { invalidFunction } from '../../function/manifest.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { Cgroups } from '../cgroups.ts'
import { type ArtifactDeployment, RemoteInstance } from '../channel/remote-instance.ts'
import type { Executor } from '../executor.ts'
import { OutputLog } from '../output-log.ts'
import { ambientCapabilities, inheritedDescriptors } from '../proc.ts'
import type { RunFolder } from '../run-folder.ts'
import { BootstrapInstance } from './bootstrap-instance.ts'
import { ContainedProcess } from './contained-process.ts'
import type { ContainedWorld } from './contained-world.ts'
import { FixedPorts, portOf } from './fixed-ports.ts'
import { startHttpProgram } from './http-program.ts'
import type { Launch } from './launch.ts'
import { limitsOf, ownOpenFiles } from './limits.ts'
import { NodeRunner, type RunnerPlan, readsOf } from './node-runner.ts'
import { ProcessWatch } from './process-watch.ts'
import { type ProgramDeployment, planProgram, programEnvironment } from './program.ts'
import { sandboxingFor } from './sandbox.ts'
import { SandboxCheck } from './sandbox-check.ts'
import { findTools, type Tools } from './tools.ts'
import { resolveUser } from './user.ts'
import { WarmRunners } from './warm-runners.ts'

export interface ProcessExecutorOptions {
  readonly log: Logger
  /** Closed by its owner, after this executor. */
  readonly runFolder: RunFolder
  /** Node processes that wait for a function. Default 1. */
  readonly warm?: number
  /** How long `onLoad`, or the start of a program, may take. Default 30,000. */
  readonly loadTimeoutMs?: number
  /** How long `onUnload` may take. Default 10,000. */
  readonly unloadTimeoutMs?: number
  /** What a program gets to end after SIGTERM. Default 5,000. */
  readonly stopGraceMs?: number
  /** What an instance gets to show a sign of life after a missed deadline. Default 1,000. */
  readonly killGraceMs?: number
  /** Default: those that this host may divide. */
  readonly cgroups?: Cgroups
  /** Default: those in PATH. */
  readonly tools?: Tools
  /** Default: the machine's. */
  readonly clock?: Clock
}

const UNCONFINED = { sandboxing: 'none', network: true, reads: [] } as const
const MAX_BOOTSTRAP_OUTPUT_BYTES = 64 * 2 ** 20

/**
 * Runs each instance in a process of its own: JavaScript in a Node process, programs as they are.
 * What an instance does to itself stays with it, and its limits hold for all that it starts.
 */
export class ProcessExecutor implements Executor {
  readonly kind = 'process'
  readonly #options: ProcessExecutorOptions
  readonly #timeouts: Required<
    Pick<
      ProcessExecutorOptions,
      'loadTimeoutMs' | 'unloadTimeoutMs' | 'stopGraceMs' | 'killGraceMs'
    >
  >
  readonly #world: ContainedWorld
  readonly #sandboxes: SandboxCheck
  readonly #ports: FixedPorts
  readonly #warm: WarmRunners
  readonly #instances = new Set<Instance>()
  /** Those of loads under way too. */
  readonly #processes = new Set<ContainedProcess>()
  #closing: Promise<void> | undefined

  constructor(options: ProcessExecutorOptions) {
    const { clock = systemClock, runFolder, warm = 1 } = options
    this.#options = options
    this.#timeouts = {
      loadTimeoutMs: options.loadTimeoutMs ?? 30_000,
      unloadTimeoutMs: options.unloadTimeoutMs ?? 10_000,
      stopGraceMs: options.stopGraceMs ?? 5_000,
      killGraceMs: options.killGraceMs ?? 1_000,
    }
    this.#world = {
      runFolder,
      cgroups: options.cgroups ?? Cgroups.open(),
      watch: new ProcessWatch(clock),
      tools: options.tools ?? findTools(),
      inherited: inheritedDescriptors().filter(descriptor => descriptor < ownOpenFiles()),
      ambient: ambientCapabilities(),
      clock,
    }
    this.#sandboxes = new SandboxCheck(this.#world)
    this.#ports = new FixedPorts(clock)
    const plan = { limits: limitsOf({}), ...UNCONFINED }
    this.#warm = new WarmRunners(warm, () => new NodeRunner(plan, this.#world))
  }

  prepare({ code }: Deployment): void {
    if (code.kind === 'artifact') this.#warm.fill()
  }

  /**
   * @throws FezzError `INVALID_MANIFEST` when the machine cannot do what the manifest asks for,
   *   `FUNCTION_LOAD_FAILED` when its program cannot be executed or ends at once, `DRAINING`
   * @throws what `onLoad` throws
   */
  async load(deployment: Deployment): Promise<Instance> {
    this.#refuseIfClosed()
    this.#warnOfLimits(deployment)
    const instance = await this.#loadCode(deployment)
    if (this.#closing !== undefined) {
      await instance.unload()
      this.#refuseIfClosed()
    }
    return instance
  }

  async forget(): Promise<void> {}

  /** Unloads every instance, and ends the processes that wait for one. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    await Promise.allSettled(Array.from(this.#instances, instance => instance.unload()))
    for (const process of this.#processes) process.kill('killed', 'the host is closing')
    await Promise.all(Array.from(this.#processes, ({ ended }) => ended))
    await this.#warm.close()
    this.#world.cgroups.close()
  }

  #refuseIfClosed(): void {
    if (this.#closing !== undefined) throw new FezzError('DRAINING', 'the executor is closed')
  }

  /** Everything else can be held everywhere. */
  #warnOfLimits({ manifest: { id: functionId, execution } }: Deployment): void {
    if (execution.cpus === undefined || this.#world.cgroups.controllers.has('cpu')) return
    this.#options.log.warn(
      { functionId },
      'cpus is not held: this host may not divide the control group that it is in',
    )
  }

  async #loadCode(deployment: Deployment): Promise<Instance> {
    const { manifest, code } = deployment
    switch (code.kind) {
      case 'artifact':
        return this.#loadArtifact({ ...deployment, code })
      case 'program':
        return code.protocol === 'bootstrap'
          ? this.#loadBootstrap({ ...deployment, code })
          : this.#loadHttp({ ...deployment, code })
      case 'live':
      case 'image':
        throw invalidFunction(
          manifest.id,
          `${UNABLE[code.kind]} cannot run in a process of its own`,
        )
    }
  }

  async #loadArtifact(deployment: ArtifactDeployment): Promise<Instance> {
    const { manifest } = deployment
    const plan = this.#planArtifact(deployment)
    await this.#sandboxes.pass(manifest.id, { ...plan, command: [], cwd: '' })
    this.#refuseIfClosed()
    const runner = this.#runnerFor(deployment, plan)
    this.#printTo(this.#outputOf(manifest.id), this.#track(runner.process))
    try {
      const { log } = this.#options
      const options = { ...this.#timeouts, log, clock: this.#world.clock }
      const instance = await RemoteInstance.load(deployment, runner, options)
      return this.#keepUntil(runner.ended, instance)
    } finally {
      this.#warm.fill()
    }
  }

  #planArtifact({ manifest: { id, execution }, code }: ArtifactDeployment): RunnerPlan {
    const user = execution.user === undefined ? undefined : resolveUser(id, execution.user)
    return {
      limits: limitsOf(execution),
      ...(user !== undefined && { user }),
      sandboxing: sandboxingFor(id, execution, this.#world.tools),
      network: execution.network ?? true,
      reads: readsOf(code),
    }
  }

  /** A warm one, unless something is asked for that can only be given at the start. */
  #runnerFor(deployment: ArtifactDeployment, plan: RunnerPlan): NodeRunner {
    const { openFiles, cpuTimeMs, user } = deployment.manifest.execution
    const isPlain = plan.sandboxing === 'none' && user === undefined
    if (isPlain && openFiles === undefined && cpuTimeMs === undefined) {
      const warm = this.#warm.take(plan.limits)
      if (warm !== undefined) return warm
    }
    return new NodeRunner(plan, this.#world)
  }

  async #loadHttp(deployment: ProgramDeployment): Promise<Instance> {
    const { id, execution } = deployment.manifest
    const { handlerPort, maxOutputBytes } = execution
    const { clock, runFolder, tools } = this.#world
    const plan = planProgram(deployment, tools)
    await this.#sandboxes.pass(id, plan)
    const port = portOf(deployment)
    const release = port === undefined ? () => {} : await this.#takePort(id, port)
    let process: ContainedProcess
    try {
      const instance = await startHttpProgram({
        ...this.#timeouts,
        functionId: id,
        ...(handlerPort !== undefined && { handlerPort }),
        ...(maxOutputBytes !== undefined && { maxOutputBytes }),
        network: plan.network,
        clock,
        newFolder: () => {
          // While it waited for a port, and before it starts what nobody would end.
          this.#refuseIfClosed()
          return runFolder.instance()
        },
        start: (folder, more) => {
          const env = programEnvironment(deployment, folder, more)
          process = this.#start({ ...plan, folder, env, hasChannel: false })
          this.#printTo(this.#outputOf(id), process)
          return process
        },
      })
      void process!.ended.then(release)
      return this.#keepUntil(process!.ended, instance)
    } catch (error) {
      release()
      throw error
    }
  }

  /** @returns what lets the next one have it */
  async #takePort(id: string, port: number): Promise<() => void> {
    const { loadTimeoutMs } = this.#timeouts
    const release = await this.#ports.take(port, loadTimeoutMs)
    if (release !== undefined) return release
    throw new FezzError(
      'FUNCTION_LOAD_FAILED',
      `handlerPort ${port} of function "${id}" has been in use by another instance for ${loadTimeoutMs} ms; give each function a port of its own`,
    )
  }

  async #loadBootstrap(deployment: ProgramDeployment): Promise<Instance> {
    const { id, execution } = deployment.manifest
    const plan = planProgram(deployment, this.#world.tools)
    await this.#sandboxes.pass(id, plan)
    const output = this.#outputOf(id)
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    void released.then(() => output.close())
    const instance = new BootstrapInstance({
      maxOutputBytes: execution.maxOutputBytes ?? MAX_BOOTSTRAP_OUTPUT_BYTES,
      release,
      run: input => {
        const folder = this.#world.runFolder.instance()
        const env = programEnvironment(deployment, folder)
        const process = this.#start({ ...plan, folder, env, input, hasChannel: false })
        process.stderr.on('data', (chunk: Buffer) => output.write('stderr', chunk))
        return process
      },
    })
    return this.#keepUntil(released, instance)
  }

  #start(launch: Launch): ContainedProcess {
    return this.#track(new ContainedProcess(launch, this.#world))
  }

  #track(process: ContainedProcess): ContainedProcess {
    this.#processes.add(process)
    void process.ended.then(() => this.#processes.delete(process))
    return process
  }

  #keepUntil(gone: Promise<unknown>, instance: Instance): Instance {
    this.#instances.add(instance)
    void gone.then(() => this.#instances.delete(instance))
    return instance
  }

  #outputOf(functionId: string): OutputLog {
    return new OutputLog({ log: this.#options.log, functionId, clock: this.#world.clock })
  }

  /** All that a process prints, until it has ended. */
  #printTo(output: OutputLog, { stdout, stderr, ended }: ContainedProcess): void {
    stdout.on('data', (chunk: Buffer) => output.write('stdout', chunk))
    stderr.on('data', (chunk: Buffer) => output.write('stderr', chunk))
    void ended.then(() => output.close())
  }
}

const UNABLE = { live: 'a value of the host', image: 'an image' } as const
