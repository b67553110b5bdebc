import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import {
  Cgroup,
  type CgroupFolder,
  type CgroupLimits,
  CONTROLLERS,
  type Controller,
  removeCgroupFolder,
} from './cgroup.ts'
import { isGone, ownerOf } from './run-owner.ts'

export interface CgroupsOptions {
  /**
   * A group that was delegated to the host, as a path within each hierarchy, such as
   * `/system.slice/fezz.service`. Default: the group of this process, if nobody else manages it.
   */
  readonly parent?: string
  /** Where the hierarchies are mounted. Default /sys/fs/cgroup. */
  readonly root?: string
  /** In place of /proc/self/cgroup. */
  readonly membership?: string
}

const NAME = 'fezz'
/** Where the host goes itself: with v2 a group has either processes or groups in it. */
const HOST_NAME = 'fezz-host'
const ATTEMPTS = 3

/**
 * The control groups that this host may divide, of v2 or of v1. A group has one manager, so only one
 * that is the host's is touched: the root of what it sees (of the machine or of its container), one
 * that its user owns, or one that was named. `controllers` says what can be bounded by them; the
 * rest must be held in other ways.
 */
export class Cgroups {
  readonly controllers: ReadonlySet<Controller>
  readonly #folders: readonly CgroupFolder[]

  private constructor(folders: readonly CgroupFolder[]) {
    this.#folders = folders
    this.controllers = new Set(folders.flatMap(({ controllers }) => controllers))
  }

  /** What there is. Never throws. */
  static open(options: CgroupsOptions = {}): Cgroups {
    const { root = '/sys/fs/cgroup', membership = '/proc/self/cgroup', parent } = options
    const folders = groupsOf(membership).flatMap(({ controllers, path }) => {
      const within = parent ?? path
      const isOurs = (group: string) => parent !== undefined || path === '/' || isOwned(group)
      // With v1 each controller has a hierarchy of its own.
      return (controllers.length === 0 ? [undefined] : controllers).flatMap(controller => {
        const group = join(root, controller ?? '', within)
        if (!isOurs(group)) return []
        return controller === undefined ? divideUnified(group) : divide(group, controller)
      })
    })
    for (const { folder } of folders) removeOfDeadHosts(folder)
    return new Cgroups(folders)
  }

  /** None at all, as where the system offers none. */
  static none(): Cgroups {
    return new Cgroups([])
  }

  /** A group without processes. @throws when the system refuses it or a limit */
  create(name: string, limits: CgroupLimits): Cgroup {
    const group = new Cgroup(
      this.#folders.map(parent => ({ ...parent, folder: join(parent.folder, name) })),
    )
    for (const [index, folder] of group.folders.entries()) {
      // Another host of this machine may have been the last one, and removed what we share.
      for (let attempt = 1; !makeFolder(folder) && attempt < ATTEMPTS; attempt++) {
        prepare(this.#folders[index] as CgroupFolder)
      }
    }
    try {
      group.limit(limits)
    } catch (error) {
      void group.remove()
      throw error
    }
    return group
  }

  /** Removes what the groups were made in, unless another host has some there. */
  close(): void {
    for (const { folder } of this.#folders) removeCgroupFolder(folder)
  }
}

/**
 * Removes what hosts left that were killed, and whose run folder is gone too, so that nothing else
 * tells of it. A group with processes in it stays: they are found by their run folder.
 */
function removeOfDeadHosts(parent: string): void {
  // Another host may have been the last one, and removed it.
  for (const name of existsSync(parent) ? readdirSync(parent) : []) {
    const owner = ownerOf(name.replace(/-i\d+$/, ''))
    if (owner !== undefined && isGone(owner)) removeCgroupFolder(join(parent, name))
  }
}

interface Membership {
  /** None: the unified hierarchy. */
  readonly controllers: readonly Controller[]
  readonly path: string
}

/** The groups of this process; lines such as `4:memory:/a/b` (v1) and `0::/a/b` (v2), cgroups(7). */
function groupsOf(file: string): Membership[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    return []
  }
  return Array.from(text.matchAll(/^\d+:([^:]*):(\/.*)$/gm), ([, names = '', path = '/']) => ({
    names,
    controllers: names.split(',').filter(isController),
    path,
  })).filter(({ names, controllers }) => names === '' || controllers.length > 0)
}

function isController(name: string): name is Controller {
  return (CONTROLLERS as readonly string[]).includes(name)
}

/** That root owns it says nothing: it owns all of them. */
function isOwned(group: string): boolean {
  try {
    const uid = process.getuid?.()
    return uid !== 0 && statSync(group).uid === uid
  } catch {
    return false
  }
}

/** Of v1: one controller's hierarchy. */
function divide(group: string, controller: Controller): CgroupFolder[] {
  if (!existsSync(join(group, 'cgroup.procs'))) return []
  return usable({ controllers: [controller], folder: join(group, NAME), version: 1 })
}

/** Of v2: one hierarchy with what is offered to us. */
function divideUnified(group: string): CgroupFolder[] {
  if (!existsSync(join(group, 'cgroup.controllers'))) return []
  const controllers = words(group, 'cgroup.controllers').filter(isController)
  if (controllers.length === 0) return []
  return usable({ controllers, folder: join(group, NAME), version: 2 })
}

function usable(parent: CgroupFolder): CgroupFolder[] {
  try {
    prepare(parent)
    return [parent]
  } catch {
    // Read-only as in most containers, or not ours to divide.
    return []
  }
}

/** Makes what groups are made in. */
function prepare({ folder, controllers, version }: CgroupFolder): void {
  if (version === 2) delegate(dirname(folder), controllers)
  mkdirSync(folder, { recursive: true })
  // A host of another user may have made it.
  accessSync(folder, constants.W_OK)
  if (version === 2) delegate(folder, controllers)
}

/** Whether what it is to be in exists. */
function makeFolder(folder: string): boolean {
  try {
    mkdirSync(folder)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return false
  }
}

/** Has the groups within `group` take part in its controllers. */
function delegate(group: string, controllers: readonly Controller[]): void {
  const enabled = words(group, 'cgroup.subtree_control')
  const missing = controllers.filter(controller => !enabled.includes(controller))
  if (missing.length === 0) return
  const enable = () =>
    writeFileSync(
      join(group, 'cgroup.subtree_control'),
      missing.map(controller => `+${controller}`).join(' '),
    )
  try {
    enable()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error
    // Succeeds where this host is alone in the group.
    mkdirSync(join(group, HOST_NAME), { recursive: true })
    writeFileSync(join(group, HOST_NAME, 'cgroup.procs'), String(process.pid))
    enable()
  }
}

function words(group: string, file: string): string[] {
  return readFileSync(join(group, file), 'utf8').trim().split(/\s+/)
}
