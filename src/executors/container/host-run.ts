import { isSameProcess, pidNamespace } from '../proc.ts'
import { thisBoot } from '../run-owner.ts'

/** Whether the process that `ownRun` of run-owner.ts names may still live. */
export function isRunAlive(run: string): boolean {
  const [, pid, startTime, namespace, boot] = /^(\d+)-(\d+)-(\d*)-(\w*)$/.exec(run) ?? []
  if (boot !== thisBoot()) return false
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
