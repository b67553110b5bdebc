import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** A process as /proc shows it (proc(5)). */
export interface ProcessEntry {
  readonly pid: number
  readonly parent: number
  readonly group: number
  readonly session: number
  /** Since boot, in clock ticks: with the pid it names one process, even where pids are used again. */
  readonly startTime: number
  readonly threads: number
  readonly residentBytes: number
}

/** Of open(2) on Linux; Node does not name it. */
const O_CLOEXEC = 0o2000000
const AT_PAGESZ = 6n
const DEFAULT_PAGE_BYTES = 4096
const PID = /^\d+$/
/** Dead and not yet waited for: nothing can be done to it, and nothing by it. */
const ENDED = /^[ZX]$/

let pageBytes: number | undefined

/** What process `pid` is; `undefined` when it has ended, or where there is no /proc. */
export function readProcess(pid: number): ProcessEntry | undefined {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return undefined
  }
  // The name in parentheses may itself hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (ENDED.test(fields[0] as string)) return undefined
  pageBytes ??= readPageBytes()
  return {
    pid,
    parent: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    threads: Number(fields[17]),
    startTime: Number(fields[19]),
    residentBytes: Number(fields[21]) * pageBytes,
  }
}

/** Every process of this pid namespace; none where there is no /proc. */
export function listProcesses(): ProcessEntry[] {
  return listPids().flatMap(pid => readProcess(pid) ?? [])
}

/** Processes and threads of the whole machine: next to nothing to ask. 0 where there is no /proc. */
export function countTasks(): number {
  try {
    return Number(/\/(\d+)/.exec(readFileSync('/proc/loadavg', 'latin1'))?.[1] ?? 0)
  } catch {
    return 0
  }
}

/** Whether process `pid` is still the one that started at `startTime`. */
export function isSameProcess(pid: number, startTime: number): boolean {
  return readProcess(pid)?.startTime === startTime
}

/**
 * Whether `pid` was started with an environment in which some `NAME=value` begins with `text`; with
 * `\0` at its end, is it.
 */
export function wasGiven(pid: number, text: string): boolean {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, 'latin1')
    return environment.startsWith(text) || environment.includes(`\0${text}`)
  } catch {
    // It has ended, or belongs to somebody else.
    return false
  }
}

/**
 * File descriptors that this process has from whoever started it, beside the standard ones, and that
 * a program it starts would have too. Node sees to its own, and to those up to 15.
 */
export function inheritedDescriptors(): number[] {
  try {
    return readdirSync('/proc/self/fd')
      .map(Number)
      .filter(descriptor => descriptor > 2 && survivesExec(descriptor))
  } catch {
    return []
  }
}

function survivesExec(descriptor: number): boolean {
  try {
    const info = readFileSync(`/proc/self/fdinfo/${descriptor}`, 'latin1')
    return (Number.parseInt(/^flags:\s*([0-7]+)/m.exec(info)?.[1] ?? '', 8) & O_CLOEXEC) === 0
  } catch {
    // It was the one by which the folder was read.
    return false
  }
}

/**
 * Numbers of the capabilities that whatever this process starts has too, though it is not root: as
 * systemd's AmbientCapabilities gives them (capabilities(7)).
 */
export function ambientCapabilities(): number[] {
  try {
    const status = readFileSync('/proc/self/status', 'latin1')
    const bits = BigInt(`0x${/^CapAmb:\s*([\da-f]+)$/m.exec(status)?.[1] ?? '0'}`)
    return Array.from({ length: 64 }, (_, bit) => bit).filter(bit => (bits >> BigInt(bit)) & 1n)
  } catch {
    return []
  }
}

/** SIGKILL for `target`, a pid or minus a process group. Whoever is gone already is no error. */
export function killNow(target: number): void {
  try {
    process.kill(target, 'SIGKILL')
  } catch {}
}

/** Of this boot of the machine; empty where that cannot be told. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}

/** Of the pid namespace that this process lives in; empty where that cannot be told. */
export function pidNamespace(): string {
  try {
    return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? ''
  } catch {
    return ''
  }
}

function listPids(): number[] {
  try {
    return readdirSync('/proc')
      .filter(name => PID.test(name))
      .map(Number)
  } catch {
    return []
  }
}

/** From the auxiliary vector (getauxval(3)): pairs of machine words. */
function readPageBytes(): number {
  try {
    const vector = readFileSync('/proc/self/auxv')
    for (let at = 0; at + 16 <= vector.length; at += 16) {
      if (vector.readBigUInt64LE(at) === AT_PAGESZ) return Number(vector.readBigUInt64LE(at + 8))
    }
  } catch {}
  return DEFAULT_PAGE_BYTES
}
