import { readdir, readFile, readlink } from 'node:fs/promises'

/** `TCP_LISTEN`, as in proc_pid_net(5). */
const LISTENING = '0A'

/**
 * The TCP ports that some processes listen on; `undefined` where that cannot be told: without /proc,
 * and of processes that hide what they have open.
 */
export async function listeningPorts(
  pids: readonly number[],
): Promise<ReadonlySet<number> | undefined> {
  try {
    const [inodes, ...tables] = await Promise.all([
      Promise.all(pids.map(socketsOf)),
      listenersIn('/proc/net/tcp'),
      // Not every machine has it.
      listenersIn('/proc/net/tcp6').catch(() => []),
    ])
    const portOf = new Map(tables.flat())
    return new Set(inodes.flat().flatMap(inode => portOf.get(inode) ?? []))
  } catch {
    return undefined
  }
}

/** Inode and port of each socket that listens. */
async function listenersIn(file: string): Promise<[inode: string, port: number][]> {
  const table = await readFile(file, 'latin1')
  return table.split('\n').flatMap(line => {
    const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/)
    const port = Number.parseInt(local.slice(local.indexOf(':') + 1), 16)
    return state === LISTENING ? [[inode, port] satisfies [string, number]] : []
  })
}

/** Inodes of the sockets that a process has open; none when it has ended. */
async function socketsOf(pid: number): Promise<string[]> {
  const folder = `/proc/${pid}/fd`
  const fds = await readdir(folder).catch(unlessGone<string[]>([]))
  const targets = await Promise.all(
    fds.map(fd => readlink(`${folder}/${fd}`).catch(unlessGone<string>(''))),
  )
  return targets.flatMap(target => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? [])
}

function unlessGone<T>(otherwise: T): (error: NodeJS.ErrnoException) => T {
  return error => {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return otherwise
    throw error
  }
}
