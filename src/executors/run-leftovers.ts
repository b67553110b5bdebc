import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { unlessAborted } from '../backoff.ts'
import type { Logger } from '../telemetry/logger.ts'
import { killCgroups, removeCgroupFolder, removeCgroups } from './cgroup.ts'
import type { EngineAddress } from './container/engine-address.ts'
import { readEngineNote } from './engine-note.ts'
import { killMarkedOf, readRecord } from './instance-folder.ts'
import { bootId, isSameProcess, killNow, pidNamespace, readProcess } from './proc.ts'

/** Who made a folder; its name says it, so that there is no moment at which it is unknown. */
interface Owner {
  readonly pid: number
  readonly startTime: number
  readonly namespace: string
  readonly boot: string
}

/** A name for a folder of this process, never used before. */
export function ownName(): string {
  const { pid } = process
  const startTime = readProcess(pid)?.startTime ?? 0
  const boot = bootId().slice(0, 8)
  return [pid, startTime, pidNamespace(), boot, randomBytes(3).toString('hex')].join('-')
}

function ownerOf(name: string): Owner | undefined {
  const match = /^(\d+)-(\d+)-(\d*)-(\w*)-\w{6}$/.exec(name)
  if (match === null) return undefined
  const [, pid, startTime, namespace = '', boot = ''] = match
  return { pid: Number(pid), startTime: Number(startTime), namespace, boot }
}

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
    if (owner === undefined) continue
    const isThisBoot = owner.boot === bootId().slice(0, 8)
    // Of a host in another container that shares this folder: it cannot be told whether it lives.
    if (isThisBoot && owner.namespace !== pidNamespace()) continue
    if (isThisBoot && isSameProcess(owner.pid, owner.startTime)) continue
    const folder = join(base, name)
    const cannot = (err: unknown) => {
      // It is left to the next start; or another host that starts has been faster.
      if (signal.aborted || !existsSync(folder)) return
      log.warn({ err, hostPid: owner.pid }, 'what a killed host left cannot be removed')
    }
    try {
      if (isThisBoot) await endProcesses(folder, name)
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
  await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 })
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
  const { pid, startTime, namespace, boot } = owner
  const engine = new Engine(address)
  try {
    const run = [pid, startTime, namespace, boot].join('-')
    const isGone = await unlessAborted(removeContainersOf(run, engine, log), signal)
    if (isGone) await removeFolder(folder, owner, log)
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
