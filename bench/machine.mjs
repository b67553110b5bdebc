import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'

/** What Linux counts processor time in, on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100

/** The cores this process may use, as the kernel lists them ("0-1,4"). Empty without /proc. */
function allowedCores() {
  try {
    const [, list] = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))
    return list.split(',').flatMap(range => {
      const [first, last = first] = range.split('-').map(Number)
      return Array.from({ length: last - first + 1 }, (_, index) => first + index)
    })
  } catch {
    return []
  }
}

/** Whether `command` can be started at all. */
export function isInstalled(command) {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).error === undefined
}

// A script that is itself started pinned sees one core only, so its parent tells it which two.
const cores = process.env['BENCH_CORES']?.split(',').map(Number) ?? allowedCores()

/** Hands the choice of cores down to a script of this folder. */
export const coresEnvironment = cores.length >= 2 ? { BENCH_CORES: cores.join(',') } : {}

/** Whether the server and the load get a core each. */
export const pinned = cores.length >= 2 && isInstalled('taskset')

function onCore(core, command) {
  return pinned ? ['taskset', '-c', String(core), ...command] : command
}

export const onServerCore = command => onCore(cores[0], command)
export const onLoadCore = command => onCore(cores[1], command)

/** Keeps this process, all its threads, off the server's core. */
export function moveToLoadCore() {
  move(process.pid, cores[1])
}

/** Has a process that runs already, its descendants and what they will start share the server's core. */
export function moveToServerCore(pid) {
  for (const member of treeOf(pid).keys()) move(member, cores[0])
}

function move(pid, core) {
  if (pinned) execFileSync('taskset', ['-acp', String(core), String(pid)], { stdio: 'ignore' })
}

/** A port nobody listens on. */
export async function freePort() {
  const server = createServer()
  await new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address()
  await new Promise(resolve => server.close(resolve))
  return port
}

/** Resident memory of a process and its descendants, in bytes. Undefined without /proc. */
export function residentBytes(pid) {
  const tree = treeOf(pid)
  if (tree.size === 0) return undefined
  return [...tree.values()].reduce((total, { residentBytes }) => total + residentBytes, 0)
}

/** What is known of a process and its descendants, by pid. Empty without /proc. */
function treeOf(pid) {
  const processes = new Map()
  try {
    for (const name of readdirSync('/proc')) {
      if (/^\d+$/.test(name)) processes.set(Number(name), statusOf(name))
    }
  } catch {
    return processes
  }
  const tree = new Map()
  const pending = [pid]
  while (pending.length > 0) {
    const current = pending.pop()
    const known = processes.get(current)
    if (known !== undefined) tree.set(current, known)
    for (const [child, status] of processes) if (status?.parent === current) pending.push(child)
  }
  return tree
}

/** Undefined for a process that ended meanwhile. */
function statusOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'utf8')
    const number = field => Number(new RegExp(`^${field}:\\s*(\\d+)`, 'm').exec(text)?.[1] ?? 0)
    return { parent: number('PPid'), residentBytes: number('VmRSS') * 1024 }
  } catch {
    return undefined
  }
}

/** Processor time a running process has used. Undefined once it ended, and without /proc. */
export function processorSeconds(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // proc(5): utime and stime are fields 14 and 15; the name, field 2, may hold spaces.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
  } catch {
    return undefined
  }
}
