import { readFileSync } from 'node:fs'
import type { Execution } from '../../function/execution.ts'
import type { Tools } from './tools.ts'

/** What one instance may use; what is absent is not bounded. */
export interface ProcessLimits {
  readonly memoryBytes?: number
  readonly cpus?: number
  /** Of one process; held in whole seconds, rounded up. */
  readonly cpuTimeMs?: number
  readonly openFiles: number
  readonly pids: number
}

/** What a manifest declares; where it does not, 1,024 open files and 256 processes. */
export function limitsOf(execution: Execution): ProcessLimits {
  const { cpus, cpuTimeMs, memoryBytes, openFiles = 1024, pids = 256 } = execution
  return {
    ...(memoryBytes !== undefined && { memoryBytes }),
    ...(cpus !== undefined && { cpus }),
    ...(cpuTimeMs !== undefined && { cpuTimeMs }),
    openFiles,
    pids,
  }
}

/** What sets resource limits (getrlimit(2)): part of a shell script, and what goes before a command. */
export interface LimitCommands {
  readonly script: string
  readonly prefix: readonly string[]
}

/**
 * Resource limits by prlimit(1) where that is present, else by the shell's `ulimit`.
 *
 * @param boundsUser whether to bound the processes of its user, who is not the host's, as nothing
 *   counts its own: RLIMIT_NPROC counts all of a user, those of other functions too
 */
export function limitCommands(
  { cpuTimeMs, openFiles, pids }: ProcessLimits,
  boundsUser: boolean,
  tools: Tools,
): LimitCommands {
  const files = Math.min(openFiles, ownOpenFiles())
  // A second between SIGXCPU, which tells why, and SIGKILL, which cannot be ignored.
  const seconds = cpuTimeMs === undefined ? undefined : Math.ceil(cpuTimeMs / 1000)
  if (tools.prlimit === undefined) {
    const commands = ['ulimit -c 0', `ulimit -n ${files}`]
    if (seconds !== undefined) commands.push(`ulimit -St ${seconds}`, `ulimit -Ht ${seconds + 1}`)
    // The same limit under the names of bash and of dash.
    if (boundsUser) commands.push(`{ ulimit -u ${pids} || ulimit -p ${pids}; } 2>/dev/null`)
    return { script: `${commands.join(' && ')} && `, prefix: [] }
  }
  const prefix = [tools.prlimit, '--core=0', `--nofile=${files}`]
  if (seconds !== undefined) prefix.push(`--cpu=${seconds}:${seconds + 1}`)
  if (boundsUser) prefix.push(`--nproc=${pids}`)
  return { script: '', prefix: [...prefix, '--'] }
}

/** How many this process could have at most itself: more cannot be given. */
export function ownOpenFiles(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8')
    const hard = /^Max open files\s+\S+\s+(\d+)/m.exec(limits)?.[1]
    return hard === undefined ? Number.POSITIVE_INFINITY : Number(hard)
  } catch {
    return Number.POSITIVE_INFINITY
  }
}
