import type { Clock, Timer } from '../../clock.ts'
import { countTasks, listProcesses, type ProcessEntry } from '../proc.ts'

/** What is watched: one process and all that came of it. */
export interface Watched {
  readonly pid: number
  /** Bounds that nothing else holds. */
  readonly memoryBytes?: number
  readonly pids?: number
  /** Called when a bound is crossed, at each look until {@link ProcessWatch.remove}. */
  exceeded(bound: 'memory' | 'pids'): void
}

const EVERY_MS = 50
/** A look at a machine full of processes must not take more of the host's time than this share. */
const MAX_SHARE = 1 / 20
/** So many more tasks are looked into at once: a fork bomb outruns whoever takes his time. */
const BURST_TASKS = 64

/**
 * Holds bounds where no control group does, by looking at /proc. One look serves all. What once
 * belonged to a process stays with it, also when it has left its session; only who does that
 * between two looks, with its parent gone by the second, is not seen.
 */
export class ProcessWatch {
  readonly #clock: Clock
  readonly #families = new Map<Watched, Family>()
  #timer: Timer | undefined
  #dueMs = 0
  #tasks = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(watched: Watched): void {
    this.#families.set(watched, new Family(watched.pid))
    this.#timer ??= this.#clock.setTimer(() => this.#lookIfDue(), EVERY_MS)
  }

  /** Forgets it. @returns the pids of its family that still run, itself included */
  remove(watched: Watched): readonly number[] {
    const family = this.#families.get(watched)
    if (family === undefined) return []
    this.#families.delete(watched)
    if (this.#families.size === 0) {
      this.#timer?.cancel()
      this.#timer = undefined
    }
    return family.among(listProcesses()).map(({ pid }) => pid)
  }

  #lookIfDue(): void {
    const isDue = this.#clock.now() >= this.#dueMs || countTasks() > this.#tasks + BURST_TASKS
    if (isDue) this.#look()
    if (this.#families.size === 0) return
    this.#timer = this.#clock.setTimer(() => this.#lookIfDue(), EVERY_MS)
  }

  #look(): void {
    const startedMs = this.#clock.now()
    const processes = listProcesses()
    for (const [watched, family] of this.#families) compare(watched, family.among(processes))
    const endedMs = this.#clock.now()
    this.#dueMs = endedMs + (endedMs - startedMs) / MAX_SHARE
    this.#tasks = countTasks()
  }
}

function compare(watched: Watched, members: readonly ProcessEntry[]): void {
  const { memoryBytes = Number.POSITIVE_INFINITY, pids = Number.POSITIVE_INFINITY } = watched
  let residentBytes = 0
  let threads = 0
  for (const member of members) {
    residentBytes += member.residentBytes
    threads += member.threads
  }
  if (residentBytes > memoryBytes) watched.exceeded('memory')
  else if (threads > pids) watched.exceeded('pids')
}

/** A process, its session, and their descendants. */
class Family {
  readonly #pid: number
  /** Start time by pid, of those seen so far that still run. */
  #known = new Map<number, number>()

  constructor(pid: number) {
    this.#pid = pid
  }

  among(processes: readonly ProcessEntry[]): ProcessEntry[] {
    const childrenOf = Map.groupBy(processes, ({ parent }) => parent)
    const members = new Map<number, ProcessEntry>()
    const add = (entry: ProcessEntry): void => {
      if (members.has(entry.pid)) return
      members.set(entry.pid, entry)
      for (const child of childrenOf.get(entry.pid) ?? []) add(child)
    }
    for (const entry of processes) {
      const isKnown = this.#known.get(entry.pid) === entry.startTime
      if (isKnown || [entry.pid, entry.group, entry.session].includes(this.#pid)) add(entry)
    }
    this.#known = new Map(Array.from(members.values(), ({ pid, startTime }) => [pid, startTime]))
    return [...members.values()]
  }
}
