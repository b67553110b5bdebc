import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { killNow, listProcesses, readProcess, wasGiven } from './proc.ts'
import { removeTree } from './remove-tree.ts'

/** Name of the variable by which a process tells which instance it belongs to, also in /proc. */
export const INSTANCE_VARIABLE = 'FEZZ_INSTANCE'

/** Others may go through to what is theirs, and see no names. */
export const MODE_PASSABLE = 0o711
export const MODE_PRIVATE = 0o700
const RECORD_FILE = 'process.json'
const SOCKET_FILE = 'http.sock'
const ROUNDS = 20

/** What is remembered of a process for whoever must end it when this host cannot. */
export interface ProcessRecord {
  readonly pid: number
  readonly startTime: number
  readonly cgroups: readonly string[]
}

/** The place of one instance: its socket, and a folder of its own to work in. */
export class InstanceFolder {
  /** Value of {@link INSTANCE_VARIABLE}: unique on the machine, and fit to name a control group. */
  readonly marker: string
  readonly path: string
  /** The only folder that the instance may count on to be writable. */
  readonly home: string
  /** Temporary files of the instance; within {@link home}. */
  readonly temporary: string
  readonly socketPath: string

  /** @param runFolder path of a run folder, whose name makes the marker unique */
  constructor(runFolder: string, name: string) {
    this.marker = `${basename(runFolder)}-${name}`
    this.path = join(runFolder, name)
    this.home = join(this.path, 'home')
    this.temporary = join(this.home, 'tmp')
    this.socketPath = join(this.home, SOCKET_FILE)
    mkdirSync(this.temporary, { recursive: true, mode: MODE_PRIVATE })
  }

  /** Makes it the property of another user. */
  giveTo(uid: number, gid: number): void {
    for (const folder of [this.home, this.temporary]) chownSync(folder, uid, gid)
    chmodSync(this.path, MODE_PASSABLE)
  }

  /** Notes what runs here. To be called before it can start anything else. */
  record(pid: number, cgroups: readonly string[]): void {
    const startTime = readProcess(pid)?.startTime ?? 0
    const record: ProcessRecord = { pid, startTime, cgroups }
    writeFileSync(join(this.path, RECORD_FILE), JSON.stringify(record), { mode: 0o600 })
  }

  /** Removes it with all that is in it. Idempotent; never rejects: what resists goes with its run folder. */
  async remove(): Promise<void> {
    await removeTree(this.path).catch(() => {})
  }
}

/** What is noted of the process in an instance's folder, if it has started one. */
export function readRecord(folder: string): ProcessRecord | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, RECORD_FILE), 'utf8')) as ProcessRecord
  } catch {
    // It had started nothing yet.
    return undefined
  }
}

/**
 * Ends every process that was given `marker` in its environment, also those that left their session.
 * Those that hide their environment, or that another user runs, are not found; a control group finds
 * them.
 */
export function killMarked(marker: string): void {
  killGiven(`${INSTANCE_VARIABLE}=${marker}\0`)
}

/** The same for all instances of a run folder, by the folder's name. */
export function killMarkedOf(runFolder: string): void {
  killGiven(`${INSTANCE_VARIABLE}=${runFolder}-`)
}

function killGiven(text: string): void {
  for (let round = 0; round < ROUNDS; round++) {
    const found = listProcesses().filter(({ pid }) => pid !== process.pid && wasGiven(pid, text))
    if (found.length === 0) return
    for (const { pid } of found) killNow(pid)
  }
}
