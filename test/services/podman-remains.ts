import { type ExecFileSyncOptions, execFileSync } from 'node:child_process'
import { readdirSync, rmdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { CACHE } from './cache.ts'

const CGROUPS = '/sys/fs/cgroup'
const DEATH_MS = 5_000

/** The bridge and the network of the service in `folder`; an interface's name has 15 letters. */
export function bridgeOf(folder: string): string {
  return `fezz-${folder.slice(folder.lastIndexOf('-') + 1)}`
}

/**
 * Removes what the machine keeps of a podman that was killed: its bridge, the rules of its
 * published ports, and its containers' cgroups. Without waiting for anything but their death, so
 * that a process can do it at its own end. What cannot be removed stays.
 *
 * @param folder of the service, with its storage still in there
 */
export function removeRemains(folder: string): void {
  const network = bridgeOf(folder)
  // First: a process that is still dying keeps its cgroup.
  const deadline = performance.now() + DEATH_MS
  for (const container of containersIn(folder)) removeCgroups(container, deadline)
  call('ip', ['link', 'delete', network])
  removePortRules(network)
}

function containersIn(folder: string): readonly string[] {
  return names(join(folder, 'storage/overlay-containers')).filter(name => /^\w{64}$/.test(name))
}

/** Version 1 has a tree for each controller, version 2 one. */
function removeCgroups(container: string, deadline: number): void {
  for (const controller of ['.', ...names(CGROUPS)]) {
    const cgroup = join(CGROUPS, controller, 'libpod_parent', `libpod-${container}`)
    while (!removed(cgroup) && performance.now() < deadline) pause(5)
  }
}

function removed(cgroup: string): boolean {
  // A container may have made some of its own.
  for (const name of names(cgroup, true)) removed(join(cgroup, name))
  try {
    rmdirSync(cgroup)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'EBUSY'
  }
}

function removePortRules(network: string): void {
  const rules = call('iptables-save', ['--table', 'nat']).split('\n')
  const ours = rules.filter(rule => rule.includes(`name: \\"${network}\\"`))
  const chains = new Set(ours.flatMap(rule => / -j (CNI-DN-\w+)/.exec(rule)?.[1] ?? []))
  if (ours.length === 0) return
  const input = [
    '*nat',
    ...ours.map(rule => rule.replace(/^-A/, '-D')),
    ...[...chains].flatMap(chain => [`-F ${chain}`, `-X ${chain}`]),
    'COMMIT\n',
  ].join('\n')
  call('iptables-restore', ['--noflush'], { input })
}

/** What a program prints; nothing, when it fails or is missing. */
function call(program: string, args: readonly string[], options: ExecFileSyncOptions = {}): string {
  const env = administration()
  try {
    return String(execFileSync(program, args, { stdio: 'pipe', ...options, env }))
  } catch {
    return ''
  }
}

function names(folder: string, onlyFolders = false): readonly string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true })
    return entries.filter(entry => !onlyFolders || entry.isDirectory()).map(entry => entry.name)
  } catch {
    return []
  }
}

function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** The environment in which the tools of the administrator are found, the machine's or the cache's. */
export function administration(): NodeJS.ProcessEnv {
  const folders = [process.env['PATH'], '/usr/sbin', '/sbin', join(CACHE, 'podman/launchers')]
  return { ...process.env, PATH: folders.join(delimiter) }
}
