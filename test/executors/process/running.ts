import { listProcesses, readProcess, wasGiven } from '../../../src/executors/proc.ts'

/** Whether a process with that pid runs; one that is dead and that nobody has waited for does not. */
export function isRunning(pid: number): boolean {
  return readProcess(pid) !== undefined
}

/** How many processes run that were given `NAME=value` in their environment. */
export function countGiven(variable: string): number {
  return listProcesses().filter(({ pid }) => wasGiven(pid, `${variable}\0`)).length
}
