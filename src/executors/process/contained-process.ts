import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { getPriority, setPriority } from 'node:os'
import type { Duplex, Readable } from 'node:stream'
import type { InstanceExit } from '../../function/contract.ts'
import type { Cgroup } from '../cgroup.ts'
import { INSTANCE_VARIABLE, killMarked } from '../instance-folder.ts'
import { killNow, listProcesses, wasGiven } from '../proc.ts'
import type { ContainedWorld } from './contained-world.ts'
import { commandLine, type Launch, toolVariables } from './launch.ts'
import type { ProcessLimits } from './limits.ts'
import { listeningPorts } from './listening-ports.ts'
import type { Watched } from './process-watch.ts'
import { WRAPPERS } from './sandbox.ts'
import { TextTail } from './text-tail.ts'

/** How a process ended. */
export interface ProcessEnd {
  readonly reason: InstanceExit['reason']
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** For the log: how it ended, and its last words on standard error. */
  readonly error: Error
}

const TAIL_CHARS = 4096
/** How far below the host, so that it can always answer. */
const NICENESS = 5
const MAX_NICENESS = 19
/** At least: when the machine runs out of memory, it is to take these first. */
const OOM_SCORE = 800
const PIPE_GRACE_MS = 1000
/** That a spawn takes for a moment: both ends of four pipes, and what tells whether it went well. */
const SPAWN_DESCRIPTORS = 16
const NO_DESCRIPTORS = 'the host has too many open files to start a process'
/** Of programs that end because V8 has no more memory. */
const HEAP_FULL = /JavaScript heap out of memory/

/**
 * A process that the host has started, within its limits from its first instruction on, with
 * everything that it starts itself: they live and end together.
 */
export class ContainedProcess {
  readonly folder: Launch['folder']
  readonly stdout: Readable
  readonly stderr: Readable
  /** The host's end of its file descriptor 3. */
  readonly channel: Duplex | undefined
  /** Settles when it has ended and nothing of it is left; its folder is gone then. Never rejects. */
  readonly ended: Promise<ProcessEnd>
  readonly #world: ContainedWorld
  readonly #child: ChildProcess
  readonly #cgroup: Cgroup
  readonly #tail = new TextTail(TAIL_CHARS)
  /** How many processes of a sandbox are before the program itself. */
  readonly #wrappers: number
  #watched: Watched | undefined
  #verdict: { readonly reason: InstanceExit['reason']; readonly why: string } | undefined

  /** @throws when the system refuses a limit, or has no room for another process */
  constructor(launch: Launch, world: ContainedWorld) {
    const { folder, user, limits } = launch
    this.folder = folder
    this.#world = world
    this.#wrappers = WRAPPERS[launch.sandboxing]
    let cgroup: Cgroup | undefined
    try {
      if (user !== undefined) {
        world.runFolder.letThrough()
        folder.giveTo(user.uid, user.gid)
      }
      cgroup = world.cgroups.create(folder.marker, limits)
      this.#cgroup = cgroup
      this.#child = spawnWaiting(launch, world)
    } catch (error) {
      void cgroup?.remove()
      void folder.remove()
      throw error
    }
    const child = this.#child
    const { stdin, stdout, stderr } = child
    this.stdout = stdout as Readable
    this.stderr = stderr as Readable
    this.channel = launch.hasChannel ? (child.stdio[3] as unknown as Duplex) : undefined
    this.stderr.on('data', (chunk: Buffer) => this.#tail.add(chunk))
    // It may end without having read its input.
    stdin?.on('error', () => {})
    this.ended = this.#whenEnded()
    try {
      this.#admit(limits)
      stdin?.end(`\n${launch.input ?? ''}`)
    } catch (error) {
      this.kill('crash', `it could not be limited: ${(error as Error).message}`)
    }
  }

  /** @throws when it could not be started */
  get pid(): number {
    const { pid } = this.#child
    if (pid === undefined) throw new Error('it was not started')
    return pid
  }

  get isRunning(): boolean {
    const { pid, exitCode, signalCode } = this.#child
    return pid !== undefined && exitCode === null && signalCode === null
  }

  /**
   * Resolves with the TCP ports that it, or what it has started, listens on; with `undefined` where
   * nobody can tell.
   */
  listeningPorts(): Promise<ReadonlySet<number> | undefined> {
    const { pid } = this.#child
    const processes = listProcesses()
    const first = processes.find(entry => entry.pid === pid)
    const marker = `${INSTANCE_VARIABLE}=${this.folder.marker}\0`
    const own = processes.filter(
      entry =>
        entry.session === pid ||
        // What was there before it cannot have come of it, and need not be looked into.
        (first !== undefined && entry.startTime >= first.startTime && wasGiven(entry.pid, marker)),
    )
    return listeningPorts(own.map(entry => entry.pid))
  }

  /** Sets other limits of memory, cores and processes than it was started with. */
  limit(limits: ProcessLimits): void {
    this.#cgroup.limit(limits)
    this.#watch(limits)
  }

  /** Asks it to end (SIGTERM), and ends it after `graceMs`. */
  async terminate(graceMs: number): Promise<void> {
    const timer = this.#world.clock.setTimer(() => this.kill('killed', 'it did not end'), graceMs)
    if (this.isRunning) this.#askToEnd()
    await this.ended
    timer.cancel()
  }

  /** The tools around a sandbox would not pass a signal on. */
  #askToEnd(): void {
    const processes = listProcesses()
    let target = this.pid
    for (let left = this.#wrappers; left > 0; left--) {
      target = processes.find(({ parent }) => parent === target)?.pid ?? this.pid
    }
    try {
      process.kill(target, 'SIGTERM')
    } catch {
      // It has just ended.
    }
  }

  /** Ends it with all that it has started, at once. The first reason stays. */
  kill(reason: InstanceExit['reason'], why: string): void {
    if (!this.isRunning) return
    this.#verdict ??= { reason, why }
    this.#endAll()
  }

  /** Puts it where its limits hold, before it does anything. */
  #admit(limits: ProcessLimits): void {
    const { pid } = this.#child
    // What could not be started says so later.
    if (pid === undefined) return
    this.folder.record(pid, this.#cgroup.folders)
    this.#cgroup.add(pid)
    putBehind(pid)
    this.#watch(limits)
  }

  #watch({ memoryBytes, pids }: ProcessLimits): void {
    const { cgroups, watch } = this.#world
    if (this.#watched !== undefined) watch.remove(this.#watched)
    const holdsMemory = memoryBytes === undefined || cgroups.controllers.has('memory')
    const holdsPids = cgroups.controllers.has('pids')
    if (holdsMemory && holdsPids) return
    this.#watched = {
      pid: this.pid,
      ...(!holdsMemory && { memoryBytes }),
      ...(!holdsPids && { pids }),
      exceeded: bound =>
        bound === 'memory'
          ? this.kill('out-of-memory', `it used more than ${memoryBytes} bytes of memory`)
          : this.kill('killed', `it had more than ${pids} processes and threads`),
    }
    watch.add(this.#watched)
  }

  /** It, its group, and whatever else came of it. */
  #endAll(): void {
    const { pid } = this.#child
    if (pid === undefined) return
    this.#cgroup.kill()
    killNow(-pid)
    if (this.#watched !== undefined) {
      for (const member of this.#world.watch.remove(this.#watched)) killNow(member)
      this.#watched = undefined
    }
    // A control group misses nobody but who has moved himself out of it; he could hide as well.
    if (this.#cgroup.folders.length === 0) killMarked(this.folder.marker)
  }

  async #whenEnded(): Promise<ProcessEnd> {
    const child = this.#child
    const { promise, resolve } = Promise.withResolvers<Error | undefined>()
    child.once('exit', () => {
      this.#endAll()
      resolve(undefined)
    })
    child.once('error', resolve)
    const failure = await promise
    // Now that nobody is left to write, its last words are complete.
    if (failure === undefined) await this.#pipesClosed()
    const end = this.#describe(failure)
    await this.#cgroup.remove()
    await this.folder.remove()
    return end
  }

  /** Bounded, for a process that has hidden from us may hold them. */
  async #pipesClosed(): Promise<void> {
    const pipes = [this.stdout, this.stderr]
    const destroy = () => {
      for (const pipe of pipes) pipe.destroy()
    }
    const timer = this.#world.clock.setTimer(destroy, PIPE_GRACE_MS)
    // What nobody reads would never end.
    for (const pipe of pipes) if (pipe.readableFlowing === null) pipe.resume()
    await Promise.all(pipes.map(pipe => pipe.closed || once(pipe, 'close')))
    timer.cancel()
  }

  #describe(failure: Error | undefined): ProcessEnd {
    const { exitCode: code, signalCode: signal } = this.#child
    // One that was ending by itself when it was killed has ended by itself. So has one that the system
    // killed for its memory: its channel breaks, and the host ends it, before the host hears of that.
    const wasKilled =
      signal === 'SIGKILL' && this.#verdict !== undefined && this.#cgroup.outOfMemoryKills() === 0
    const verdict = wasKilled ? this.#verdict! : this.#infer(code, signal)
    const how = failure?.message ?? (signal === null ? `exit code ${code}` : `signal ${signal}`)
    const why = [verdict.why, how].filter(text => text !== '').join('; ')
    const words = this.#tail.toString().trim()
    const message = `the process has ended: ${why}${words === '' ? '' : `\n${words}`}`
    return { reason: verdict.reason, code, signal, error: new Error(message, { cause: failure }) }
  }

  #infer(code: number | null, signal: NodeJS.Signals | null) {
    if (this.#cgroup.outOfMemoryKills() > 0 || HEAP_FULL.test(this.#tail.toString())) {
      return { reason: 'out-of-memory', why: 'it had no more memory' } as const
    }
    // Behind a tool that waits for it, a signal shows as 128 and its number.
    if (signal === 'SIGXCPU' || code === 128 + 24) {
      return { reason: 'killed', why: 'it used more processor time than cpuTime allows' } as const
    }
    if (signal === 'SIGKILL') return { reason: 'killed', why: '' } as const
    return { reason: 'crash', why: '' } as const
  }
}

/**
 * Starts it as far as {@link commandLine} says: it waits for its first line of input.
 *
 * @throws when the host has no file descriptors for its pipes
 */
function spawnWaiting(launch: Launch, world: ContainedWorld): ChildProcess {
  const { cwd, env, user, hasChannel } = launch
  const [program, ...args] = commandLine(launch, world)
  const pipes = hasChannel ? 4 : 3
  const stdio: Exclude<StdioOptions, string> = Array.from({ length: pipes }, () => 'pipe')
  if (!hasDescriptors()) throw new Error(NO_DESCRIPTORS)
  // There is no way to close them for it; what it finds there instead is nobody's.
  const nothing = openSync('/dev/null', 'r')
  for (const descriptor of world.inherited) {
    while (stdio.length <= descriptor) stdio.push('ignore')
    if (descriptor >= pipes) stdio[descriptor] = nothing
  }
  let child: ChildProcess
  try {
    // Detached: in a session and a process group of its own.
    const variables = toolVariables(env)
    child = spawn(program, args, { cwd, env: variables, detached: true, stdio, ...user })
  } finally {
    closeSync(nothing)
  }
  // A thread may have taken them meanwhile: Node then leaves out the pipes, and says why later.
  if (child.stdout) return child
  child.on('error', () => {})
  throw new Error(NO_DESCRIPTORS)
}

/** Has the host come before process `pid`, wherever it stands itself. These are wishes, not limits. */
function putBehind(pid: number): void {
  try {
    setPriority(pid, Math.min(getPriority() + NICENESS, MAX_NICENESS))
  } catch {}
  try {
    const own = Number(readFileSync('/proc/self/oom_score_adj', 'latin1'))
    writeFileSync(`/proc/${pid}/oom_score_adj`, String(Math.max(own, OOM_SCORE)))
  } catch {}
}

/** Whether there is room for a spawn. One that fails for want of it loses what it has had (Node 26). */
function hasDescriptors(): boolean {
  const taken: number[] = []
  try {
    while (taken.length < SPAWN_DESCRIPTORS) taken.push(openSync('/dev/null', 'r'))
    return true
  } catch {
    return false
  } finally {
    for (const descriptor of taken) closeSync(descriptor)
  }
}
