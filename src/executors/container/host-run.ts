import { bootId, isSameProcess, pidNamespace, readProcess } from '../proc.ts'

/**
 * What names this process among all that ever run: the label of what it starts, by which the next
 * host knows what a dead one has left behind.
 */
export function ownRun(): string {
  const { pid } = process
  return [pid, readProcess(pid)?.startTime ?? 0, pidNamespace(), bootId().slice(0, 8)].join('-')
}

/** Whether the process that {@link ownRun} names may still live. */
export function isRunAlive(run: string): boolean {
  const [, pid, startTime, namespace, boot] = /^(\d+)-(\d+)-(\d*)-(\w*)$/.exec(run) ?? []
  if (boot !== bootId().slice(0, 8)) return false
  // It has run in a container that was started anew: one owner is never two hosts at once.
  if (namespace !== pidNamespace()) return false
  if (Number(startTime) > 0) return isSameProcess(Number(pid), Number(startTime))
  return isRunning(Number(pid))
}

/** Where there is no /proc, a pid that is used again is taken for the same process. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
