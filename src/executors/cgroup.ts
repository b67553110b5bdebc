import { existsSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { killNow } from './proc.ts'

/** What control groups can bound; `cpu` as a share of time. */
export const CONTROLLERS = ['memory', 'cpu', 'pids'] as const
export type Controller = (typeof CONTROLLERS)[number]

/** Bounds of a group of processes; what is absent is not bounded. */
export interface CgroupLimits {
  readonly memoryBytes?: number
  /** Cores, such as 0.5. */
  readonly cpus?: number
  /** Processes and threads. */
  readonly pids?: number
}

/** A folder with the files of some controllers. */
export interface CgroupFolder {
  readonly controllers: readonly Controller[]
  readonly folder: string
  readonly version: 1 | 2
}

/** A file of a controller with what is to be in it. */
interface Setting {
  readonly file: string
  readonly value: number | string
  /** Not every system has it. */
  readonly isOptional?: boolean
}

const CPU_PERIOD_US = 100_000
/** What the kernel takes at least. */
const MIN_CPU_QUOTA_US = 1000
const REMOVE_ATTEMPTS = 200
const REMOVE_PAUSE_MS = 10

/**
 * The processes of one instance, and all that they start. Only who may write to the host's groups,
 * being its user without a sandbox, can leave it by itself.
 */
export class Cgroup {
  readonly #folders: readonly CgroupFolder[]

  constructor(folders: readonly CgroupFolder[]) {
    this.#folders = folders
  }

  /** Its folders, for {@link removeCgroups}. */
  get folders(): readonly string[] {
    return this.#folders.map(({ folder }) => folder)
  }

  /** Sets the limits that its controllers can hold. @throws when the system refuses one */
  limit(limits: CgroupLimits): void {
    for (const { controllers, folder, version } of this.#folders) {
      for (const controller of controllers) {
        for (const { file, value, isOptional } of SETTINGS[controller](limits, version)) {
          if (isOptional !== true || existsSync(join(folder, file))) write(folder, file, value)
        }
      }
    }
  }

  /** Moves a process into it; what that starts later is in it too. */
  add(pid: number): void {
    for (const { folder } of this.#folders) write(folder, 'cgroup.procs', pid)
  }

  /** How many of its processes the system has killed because of its memory limit. */
  outOfMemoryKills(): number {
    const found = this.#folders.find(({ controllers }) => controllers.includes('memory'))
    if (found === undefined) return 0
    const file = found.version === 2 ? 'memory.events' : 'memory.oom_control'
    return Number(/^oom_kill (\d+)$/m.exec(read(found.folder, file))?.[1] ?? 0)
  }

  /** Ends all of it at once, also what forks faster than one could look. */
  kill(): void {
    killCgroups(this.folders)
  }

  /** Removes it, after having ended what is left in it. Idempotent. */
  remove(): Promise<void> {
    return removeCgroups(this.folders)
  }
}

/** The kernel's documentation: admin-guide/cgroup-v1 and admin-guide/cgroup-v2.rst. */
const SETTINGS: Readonly<
  Record<Controller, (limits: CgroupLimits, version: 1 | 2) => readonly Setting[]>
> = {
  memory({ memoryBytes }, version) {
    if (memoryBytes === undefined) return []
    // Without a bound on swap it would swap instead of ending.
    return version === 2
      ? [
          { file: 'memory.max', value: memoryBytes },
          { file: 'memory.swap.max', value: 0, isOptional: true },
        ]
      : [
          { file: 'memory.limit_in_bytes', value: memoryBytes },
          { file: 'memory.memsw.limit_in_bytes', value: memoryBytes, isOptional: true },
        ]
  },
  cpu({ cpus }, version) {
    if (cpus === undefined) return []
    const quota = Math.max(MIN_CPU_QUOTA_US, Math.round(cpus * CPU_PERIOD_US))
    return version === 2
      ? [{ file: 'cpu.max', value: `${quota} ${CPU_PERIOD_US}` }]
      : [
          { file: 'cpu.cfs_period_us', value: CPU_PERIOD_US },
          { file: 'cpu.cfs_quota_us', value: quota },
        ]
  },
  pids({ pids }) {
    return pids === undefined ? [] : [{ file: 'pids.max', value: pids }]
  },
}

/** Ends what is in any of these groups; those that are gone are no error. */
export function killCgroups(folders: readonly string[]): void {
  for (const folder of folders) {
    // Nobody in it can start another one from here on.
    writeIfThere(folder, 'pids.max', 0)
    writeIfThere(folder, 'cgroup.kill', 1)
    for (const pid of processesOf(folder)) killNow(pid)
  }
}

/** {@link killCgroups}, then removes them as soon as they are empty; gives up after 2 s. */
export async function removeCgroups(folders: readonly string[]): Promise<void> {
  for (let attempt = 0; attempt < REMOVE_ATTEMPTS; attempt++) {
    killCgroups(folders)
    const removed = folders.map(removeCgroupFolder)
    if (removed.every(isGone => isGone)) return
    await sleep(REMOVE_PAUSE_MS)
  }
}

/** Whether it is gone: one with processes or groups in it stays. */
export function removeCgroupFolder(folder: string): boolean {
  try {
    rmdirSync(folder)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}

function processesOf(folder: string): number[] {
  const pids = read(folder, 'cgroup.procs').split('\n').map(Number)
  // 0 stands for one of another pid namespace, and as a target for ourselves.
  return pids.filter(pid => pid > 0)
}

function read(folder: string, file: string): string {
  try {
    return readFileSync(join(folder, file), 'utf8')
  } catch {
    return ''
  }
}

function write(folder: string, file: string, value: number | string): void {
  writeFileSync(join(folder, file), String(value))
}

function writeIfThere(folder: string, file: string, value: number): void {
  if (!existsSync(join(folder, file))) return
  try {
    write(folder, file, value)
  } catch {
    // Removed meanwhile; whatever else is wrong shows when it is removed.
  }
}
