import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Cgroups } from '../../src/executors/cgroups.ts'
import { ownName } from '../../src/executors/run-owner.ts'

// What the files of the kernel are told; limits.test.ts shows what the kernel makes of it, where
// it lets us.

const LIMITS = { memoryBytes: 1 << 27, cpus: 0.5, pids: 64 }

describe('control groups', () => {
  let root: string
  let membership: string
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'fezz-cgroups-'))
    membership = join(root, 'membership')
  })
  afterEach(() => rm(root, { recursive: true, force: true }))

  const contentOf = (...path: string[]) => readFileSync(join(root, ...path), 'utf8')
  const put = (folder: string, files: Readonly<Record<string, string>>) => {
    mkdirSync(join(root, folder), { recursive: true })
    for (const [name, content] of Object.entries(files)) {
      writeFileSync(join(root, folder, name), content)
    }
  }
  const open = (lines: string, parent?: string) => {
    writeFileSync(membership, lines)
    return Cgroups.open({ root, membership, ...(parent !== undefined && { parent }) })
  }

  it.skipIf(process.getuid?.() === 0)('that a host of another user has made are not used', () => {
    put('pids', { 'cgroup.procs': '' })
    mkdirSync(join(root, 'pids/fezz'), { mode: 0o555 })
    expect(open('1:pids:/\n').controllers.size).toBe(0)
  })

  it('of hosts that are gone are removed, those of others are left', () => {
    const own = ownName()
    const gone = own.replace(/^\d+-\d+/, '1-1')
    put('pids', { 'cgroup.procs': '' })
    for (const name of [`${own}-i1`, `${gone}-i1`, `${gone}-i27`, 'somebody-elses']) {
      mkdirSync(join(root, 'pids/fezz', name), { recursive: true })
    }
    open('1:pids:/\n')
    expect(readdirSync(join(root, 'pids/fezz')).sort()).toEqual([`${own}-i1`, 'somebody-elses'])
  })

  it('of v2 are told their limits in one folder', () => {
    const enabled = { 'cgroup.controllers': 'cpuset cpu memory pids', 'cgroup.subtree_control': '' }
    put('.', enabled)
    put('fezz', enabled)
    const cgroups = open('0::/\n')
    expect([...cgroups.controllers].sort()).toEqual(['cpu', 'memory', 'pids'])
    expect(contentOf('cgroup.subtree_control').split(' ').sort()).toEqual([
      '+cpu',
      '+memory',
      '+pids',
    ])
    const group = cgroups.create('a', LIMITS)
    group.add(123)
    expect(group.folders).toEqual([join(root, 'fezz/a')])
    expect(contentOf('fezz/a/memory.max')).toBe(String(1 << 27))
    expect(contentOf('fezz/a/cpu.max')).toBe('50000 100000')
    expect(contentOf('fezz/a/pids.max')).toBe('64')
    expect(contentOf('fezz/a/cgroup.procs')).toBe('123')
    put('fezz/a', { 'memory.events': 'low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\n' })
    expect(group.outOfMemoryKills()).toBe(1)
  })

  it('of v1 are told their limits in a folder for each controller', () => {
    for (const name of ['memory', 'cpu', 'pids']) put(name, { 'cgroup.procs': '' })
    const cgroups = open('9:name=systemd:/\n8:pids:/\n4:memory:/\n1:cpu,cpuacct:/\n0::/\n')
    const group = cgroups.create('a', LIMITS)
    group.add(123)
    expect(contentOf('memory/fezz/a/memory.limit_in_bytes')).toBe(String(1 << 27))
    expect(contentOf('cpu/fezz/a/cpu.cfs_quota_us')).toBe('50000')
    expect(contentOf('pids/fezz/a/pids.max')).toBe('64')
    for (const folder of group.folders) {
      expect(readFileSync(join(folder, 'cgroup.procs'), 'utf8')).toBe('123')
    }
    put('memory/fezz/a', { 'memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 3\n' })
    expect(group.outOfMemoryKills()).toBe(3)
  })

  it.skipIf(process.getuid?.() !== 0)('that somebody else manages are not touched', () => {
    put('memory/other/manager', { 'cgroup.procs': '' })
    put('pids', { 'cgroup.procs': '' })
    const cgroups = open('4:memory:/other/manager\n8:pids:/\n')
    expect([...cgroups.controllers]).toEqual(['pids'])
    expect(existsSync(join(root, 'memory/other/manager/fezz'))).toBe(false)
  })

  it.skipIf(process.getuid?.() === 0)('are made in the one that the host is in and owns', () => {
    put('memory/mine', { 'cgroup.procs': '' })
    const enabled = { 'cgroup.controllers': 'pids', 'cgroup.subtree_control': '+pids' }
    put('own', enabled)
    put('own/fezz', enabled)
    const cgroups = open('4:memory:/mine\n0::/own\n')
    expect(cgroups.create('a', LIMITS).folders).toEqual([
      join(root, 'memory/mine/fezz/a'),
      join(root, 'own/fezz/a'),
    ])
  })

  it('are made in the one that was named', () => {
    put('memory/mine', { 'cgroup.procs': '' })
    const cgroups = open('4:memory:/elsewhere\n', '/mine')
    expect(cgroups.create('a', LIMITS).folders).toEqual([join(root, 'memory/mine/fezz/a')])
  })

  it('may be none, and then bound nothing', async () => {
    for (const cgroups of [Cgroups.none(), open('nonsense\n'), open('0::/\n4:memory:/\n')]) {
      expect(cgroups.controllers.size).toBe(0)
      const group = cgroups.create('a', LIMITS)
      group.add(123)
      group.kill()
      await group.remove()
      expect(group.folders).toEqual([])
    }
  })
})
