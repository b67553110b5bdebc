import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { unlessAborted } from '../backoff.ts'
import type { Logger } from '../telemetry/logger.ts'
import { killCgroups, removeCgroupFolder, removeCgroups } from './cgroup.ts'
import type { EngineAddress } from './container/engine-address.ts'
import { readEngineNote } from './engine-note.ts'
import { killMarkedOf, readRecord } from './instance-folder.ts'
import { isSameProcess, killNow } from './proc.ts'
import { removeTree } from './remove-tree.ts'
import { isGone, isOfThisBoot, type Owner, ownerOf, runOf } from './run-owner.ts'

/**
 * Ends and removes, in `base`, what belongs to processes that are gone.
 *
 * @param signal ends what an engine still has to do; the next start does it then
 * @returns that, when all else is done; it never rejects
 */
export async function removeLeftovers(
  base: string,
  log: Logger,
  signal: AbortSignal,
): Promise<{ rest: Promise<void> }> {
  const rest: Promise<void>[] = []
  for (const name of readdirSync(base)) {
    const owner = ownerOf(name)
    if (owner === undefined || !isGone(owner)) continue
    const folder = join(base, name)
    const cannot = (err: unknown) => {
      // It is left to the next start; or another host that starts has been faster.
      if (signal.aborted || !existsSync(folder)) return
      log.warn({ err, hostPid: owner.pid }, 'what a killed host left cannot be removed')
    }
    try {
      if (isOfThisBoot(owner)) await endProcesses(folder, name)
      const engine = readEngineNote(folder)
      // An engine may take its time, or not be there: the folder stays for the next start then.
      if (engine === undefined) await removeFolder(folder, owner, log)
      else rest.push(removeContainers(engine, folder, owner, log, signal).catch(cannot))
    } catch (error) {
      cannot(error)
    }
  }
  return { rest: Promise.all(rest).then(() => {}) }
}

async function removeFolder(folder: string, { pid }: Owner, log: Logger): Promise<void> {
  await removeTree(folder)
  log.info({ hostPid: pid }, 'removed what a host left behind that had been killed')
}

async function removeContainers(
  address: EngineAddress,
  folder: string,
  owner: Owner,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  // Loaded here alone: few hosts have left containers.
  const { Engine } = await import('./container/engine.ts')
  const { removeContainersOf } = await import('./container/labels.ts')
  const engine = new Engine(address)
  try {
    const isDone = await unlessAborted(removeContainersOf(runOf(owner), engine, log), signal)
    if (isDone) await removeFolder(folder, owner, log)
  } finally {
    engine.close()
  }
}

async function endProcesses(folder: string, name: string): Promise<void> {
  const records = readdirSync(folder).flatMap(instance => readRecord(join(folder, instance)) ?? [])
  for (const { pid, startTime, cgroups } of records) {
    killCgroups(cgroups)
    if (isSameProcess(pid, startTime)) killNow(-pid)
  }
  killMarkedOf(name)
  const groups = records.flatMap(({ cgroups }) => cgroups)
  await removeCgroups(groups)
  // What they were in stays while other hosts have groups there.
  for (const parent of new Set(groups.map(group => dirname(group)))) removeCgroupFolder(parent)
}
