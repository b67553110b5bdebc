import type { Readable } from 'node:stream'
import { backoffMs, pause } from '../../backoff.ts'
import type { Clock } from '../../clock.ts'
import { FezzError } from '../../errors.ts'
import type { InstanceExit } from '../../function/contract.ts'
import type { Sleep } from '../../function/execution.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { OutputLog } from '../output-log.ts'
import type { InstanceFolder } from '../run-folder.ts'
import type { ContainerFacts, Engine } from './engine.ts'
import { isMissing } from './engine-error.ts'
import { PrintedFrames } from './printed-frames.ts'
import type { Candidate } from './reach.ts'

const LOOK = { firstMs: 20, maxMs: 5_000 } as const
/** About two seconds. */
const LOOKS = 8
/** 128 and SIGKILL (signal(7)). */
const KILLED = 137

export interface FunctionContainerOptions {
  readonly engine: Engine
  readonly functionId: string
  /** What it shares with the host, removed with it. */
  readonly folder: InstanceFolder | undefined
  /** Whether the kernel ends it when it uses too much. */
  readonly hasMemoryLimit: boolean
  readonly log: Logger
  readonly clock: Clock
  /**
   * Called when nobody is to use it any more: what runs in it, or is paused, has ended although nobody
   * wanted it to, or could not be ended.
   */
  spoilt(): void
}

type ContainerState = ContainerFacts['State']

/** The time from a start to the end of all that runs in a container. */
interface Run {
  /** Made anew at each wake from a pause: what waited for it in an earlier one can be freed. */
  ended: PromiseWithResolvers<InstanceExit>
  readonly output: OutputLog
  /** Why the host has killed it. */
  verdict?: InstanceExit
  /** Whether its end was wanted, and is no exit. */
  isWanted: boolean
  isOver: boolean
}

/**
 * One container of a function:
 *
 *     created --wake--> running --sleep: pause--> paused --wake--> running
 *                          |                         |
 *                          +--sleep: stop, exit--> stopped --wake--> running
 *
 * and from anywhere `remove`, after which it is gone. Who holds it calls one of these at a time, and
 * nothing else of it: that is for {@link Shelf} and the executor to see to.
 */
export class FunctionContainer {
  readonly id: string
  readonly folder: InstanceFolder | undefined
  /** Where it was found in its current run; a pause changes nothing about that. */
  found: Candidate | undefined
  readonly #options: FunctionContainerOptions
  readonly #gone = new AbortController()
  #run: Run | undefined
  #isPaused = false
  #printed: Readable | undefined
  #isGone = false
  #removing: Promise<void> | undefined

  constructor(id: string, options: FunctionContainerOptions) {
    this.id = id
    this.folder = options.folder
    this.#options = options
  }

  /** Whether something runs in it, or is paused. */
  get isRunning(): boolean {
    return this.#run?.isOver === false
  }

  /** Whether it waits to be woken: it is paused, or has ended as it should. */
  get isAsleep(): boolean {
    return !this.isGone && (this.#isPaused || (!this.isRunning && this.isEndWanted))
  }

  /** Whether it is removed, or was to be. */
  get isGone(): boolean {
    return this.#isGone
  }

  /**
   * Resolves with how its latest run ends, at the latest with {@link remove}; never, when it was
   * paused and woken before that.
   *
   * @throws Error when nothing has run in it yet
   */
  get ended(): Promise<InstanceExit> {
    if (this.#run === undefined) throw new Error('the container has not been started')
    return this.#run.ended.promise
  }

  /** Whether the end of its latest run was, or will be, what the host wanted. */
  get isEndWanted(): boolean {
    return this.#run?.isWanted ?? true
  }

  /** Has it run. What is in it may not listen yet. @throws FezzError */
  async wake(): Promise<void> {
    const run = this.#run
    if (run !== undefined && this.#isPaused) {
      await this.#options.engine.unpause(this.id)
      this.#isPaused = false
      if (!run.isOver) run.ended = Promise.withResolvers()
    } else {
      await this.#start()
    }
  }

  /** Has it use no processor any more; after `graceMs` a stop is a kill. @throws FezzError */
  async sleep(how: Sleep, graceMs: number): Promise<void> {
    const run = this.#run
    if (run === undefined || run.isOver) return
    if (how === 'pause') {
      await this.#options.engine.pause(this.id)
      this.#isPaused = true
      return
    }
    run.isWanted = true
    await this.#options.engine.stop(this.id, graceMs)
    await run.ended.promise
  }

  /** Says that what runs in it is about to end, and that this is no exit. */
  expectEnd(): void {
    if (this.#run !== undefined) this.#run.isWanted = true
  }

  /**
   * Ends what runs in it at once.
   *
   * @param verdict what {@link ended} resolves with; default: what its exit code tells
   * @throws FezzError when the engine does not do it
   */
  async kill(verdict?: InstanceExit): Promise<void> {
    const run = this.#run
    if (run === undefined || run.isOver) return
    if (verdict !== undefined) run.verdict ??= verdict
    try {
      await this.#options.engine.kill(this.id)
    } catch (error) {
      // Whoever waits for its end gives up, and nobody would end it later.
      this.#options.spoilt()
      throw error
    }
  }

  /** What the engine knows of it. */
  inspect(): Promise<ContainerFacts> {
    return this.#options.engine.inspect(this.id)
  }

  /**
   * Ends and removes it, with its folder. Idempotent; after a failure it may be tried again.
   *
   * @throws FezzError
   */
  remove(): Promise<void> {
    this.#isGone = true
    this.#removing ??= this.#remove().catch(error => {
      this.#removing = undefined
      throw error
    })
    return this.#removing
  }

  async #remove(): Promise<void> {
    if (this.#run !== undefined) this.#run.isWanted = true
    try {
      await this.#options.engine.remove(this.id)
    } catch (error) {
      // Its end will not be heard of either.
      this.#printed?.destroy()
      throw error
    } finally {
      this.#gone.abort()
      await this.#run?.ended.promise
    }
    // Not while it may run: with links it could lead the removal to what is not its own.
    await this.folder?.remove()
  }

  async #start(): Promise<void> {
    const { engine, functionId, log, clock } = this.#options
    const output = new OutputLog({ log, functionId, clock })
    const run: Run = { ended: Promise.withResolvers(), output, isWanted: false, isOver: false }
    // Before the start, so that nothing of it is missed.
    const printed = await engine.attach(this.id)
    const silence = this.#print(printed, output)
    try {
      await engine.start(this.id)
    } catch (error) {
      printed.destroy()
      throw error
    }
    this.found = undefined
    this.#run = run
    void this.#watch(run, silence)
  }

  /** Resolves when nothing more will come. */
  #print(printed: Readable, output: OutputLog): Promise<void> {
    const frames = new PrintedFrames((stream, bytes) => output.write(stream, bytes))
    this.#printed = printed
    printed.on('data', (chunk: Buffer) => frames.push(chunk))
    printed.on('error', () => {})
    return new Promise(resolve => {
      printed.once('close', resolve)
    })
  }

  /**
   * What a container prints ends with it, and costs the engine nothing to tell. (Podman answers a
   * call that waits for the end by starting a process four times a second.)
   */
  async #watch(run: Run, silence: Promise<void>): Promise<void> {
    await silence
    const state = await this.#endState(run)
    run.isOver = true
    this.#isPaused = false
    run.output.close()
    run.ended.resolve(run.verdict ?? this.#exitOf(state))
    if (!run.isWanted) this.#options.spoilt()
  }

  /** How it ended; undefined when it is gone, or when nobody wants to know. */
  async #endState(run: Run): Promise<ContainerState | undefined> {
    const { engine, clock } = this.#options
    const { signal } = this.#gone
    for (let looks = 0; !signal.aborted && !run.isWanted; looks++) {
      try {
        const { State: state } = await this.inspect()
        if (!state.Running && !state.Paused) return state
        // The engine has not noticed yet; or only the connection to it had ended. To attach to what
        // has just ended would have podman begin to start it.
        if (looks >= LOOKS) await this.#print(await engine.attach(this.id), run.output)
      } catch (error) {
        if (isMissing((error as FezzError).cause)) return undefined
      }
      // Or the engine is just restarting, and its containers live on.
      await pause(clock, backoffMs(looks, LOOK, Math.random), signal)
    }
    return undefined
  }

  #exitOf(state: ContainerState | undefined): InstanceExit {
    const { functionId } = this.#options
    const code = state?.ExitCode
    const failure = (how: string) =>
      new FezzError('INSTANCE_EXITED', `the container of function "${functionId}" ${how}`)
    // Podman does not always hear of it from the kernel; hardly anything else kills what has a limit.
    if (state?.OOMKilled || (code === KILLED && this.#options.hasMemoryLimit)) {
      return { reason: 'out-of-memory', cause: failure('has used more than its memory') }
    }
    if (code === undefined) return { reason: 'killed', cause: failure('was removed') }
    const cause = failure(`has ended with exit code ${code}`)
    return { reason: code === KILLED ? 'killed' : 'crash', cause }
  }
}
