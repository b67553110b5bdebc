import { randomBytes } from 'node:crypto'
import { bootId, isSameProcess, pidNamespace, readProcess } from './proc.ts'

/** Who made a folder; its name says it, so that there is no moment at which it is unknown. */
export interface Owner {
  readonly pid: number
  readonly startTime: number
  readonly namespace: string
  readonly boot: string
}

/** What names this process among all that ever run. */
export function ownRun(): string {
  const { pid } = process
  const startTime = readProcess(pid)?.startTime ?? 0
  return runOf({ pid, startTime, namespace: pidNamespace(), boot: thisBoot() })
}

/** The same of another process. */
export function runOf({ pid, startTime, namespace, boot }: Owner): string {
  return [pid, startTime, namespace, boot].join('-')
}

/** A name for a folder of this process, never used before. */
export function ownName(): string {
  return `${ownRun()}-${randomBytes(3).toString('hex')}`
}

/** Whose folder it is that {@link ownName} has named; `undefined` for another name. */
export function ownerOf(name: string): Owner | undefined {
  const match = /^(\d+)-(\d+)-(\d*)-(\w*)-\w{6}$/.exec(name)
  if (match === null) return undefined
  const [, pid, startTime, namespace = '', boot = ''] = match
  return { pid: Number(pid), startTime: Number(startTime), namespace, boot }
}

/** Whether the machine has not been started anew since. */
export function isOfThisBoot({ boot }: Owner): boolean {
  return boot === thisBoot()
}

/**
 * Whether the owner certainly runs no more. Of one in another container that shares the folder it
 * cannot be told.
 */
export function isGone(owner: Owner): boolean {
  if (!isOfThisBoot(owner)) return true
  return owner.namespace === pidNamespace() && !isSameProcess(owner.pid, owner.startTime)
}

/** Stands for the time since the machine was last started. */
export function thisBoot(): string {
  return bootId().slice(0, 8)
}
