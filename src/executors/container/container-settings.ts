import { readFileSync } from 'node:fs'
import type { Execution } from '../../function/execution.ts'
import type { ContainerPlan } from './container-plan.ts'
import type { ContainerSettings } from './engine.ts'

const DEFAULT_PIDS = 256
/** What podman would set by itself, also where it may not. */
const MAX_PROCESSES = 1_048_576

export interface SettingsOptions {
  readonly plan: ContainerPlan
  readonly execution: Execution
  readonly labels: Readonly<Record<string, string>>
  /** On the host; mounted where the plan says. */
  readonly sharedFolder: string | undefined
  /** Folders `SOURCE:TARGET[:ro]` that every container has. */
  readonly binds: readonly string[]
  /** Whether its port is published on 127.0.0.1, where the engine finds one free. */
  readonly publishes: boolean
  /** Whether a process of the engine's reaps what is left behind in it. */
  readonly init: boolean
}

/**
 * The settings of a container that can do as little as its function lets it: no capabilities but
 * those it asks for, no way to more, no swap beside its memory. What it prints is read as it comes
 * and written to no file of the engine's.
 */
export function containerSettings(options: SettingsOptions): ContainerSettings {
  const { plan, execution, labels, publishes, init } = options
  const { memoryBytes, cpus, pids = DEFAULT_PIDS, openFiles } = execution
  const { readOnly, capabilities, user, network = true } = execution
  const port = plan.port === undefined ? undefined : `${plan.port}/tcp`
  return {
    Image: plan.image,
    ...(plan.command && { Entrypoint: [...plan.command] }),
    ...(plan.workingFolder !== undefined && { WorkingDir: plan.workingFolder }),
    ...(user !== undefined && { User: user }),
    Env: Object.entries(plan.env).map(([name, value]) => `${name}=${value}`),
    Labels: { ...labels },
    ...(port !== undefined && { ExposedPorts: { [port]: {} } }),
    HostConfig: {
      ...(memoryBytes !== undefined && { Memory: memoryBytes, MemorySwap: memoryBytes }),
      ...(cpus !== undefined && { NanoCpus: Math.round(cpus * 1e9) }),
      PidsLimit: pids,
      ...(openFiles !== undefined && { Ulimits: ulimits(openFiles) }),
      CapDrop: ['ALL'],
      ...(capabilities && { CapAdd: [...capabilities] }),
      SecurityOpt: ['no-new-privileges'],
      // Port 80 needs no capability then; Docker sets it by itself.
      Sysctls: { 'net.ipv4.ip_unprivileged_port_start': '0' },
      ...(readOnly && { ReadonlyRootfs: true, Tmpfs: { '/tmp': 'rw,nosuid,nodev,mode=1777' } }),
      ...(network ? {} : { NetworkMode: 'none' }),
      ...(port !== undefined &&
        publishes && { PortBindings: { [port]: [{ HostIp: '127.0.0.1', HostPort: '' }] } }),
      Binds: bindsOf(options),
      LogConfig: { Type: 'none', Config: {} },
      RestartPolicy: { Name: 'no' },
      ...(init && { Init: true }),
    },
  }
}

function bindsOf({ plan, sharedFolder, binds }: SettingsOptions): string[] {
  const shared = plan.shared === undefined ? [] : [`${sharedFolder}:${plan.shared}`]
  return [...binds, ...plan.reads.map(path => `${path}:${path}:ro`), ...shared]
}

function ulimits(openFiles: number): { Name: string; Soft: number; Hard: number }[] {
  const processes = maxProcesses()
  return [
    { Name: 'nofile', Soft: openFiles, Hard: openFiles },
    // Podman would raise it as soon as any is set, and fail where the machine does not let it.
    { Name: 'nproc', Soft: processes, Hard: processes },
  ]
}

function maxProcesses(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8')
    const hard = /^Max processes\s+\S+\s+(\d+)/m.exec(limits)?.[1]
    return Math.min(MAX_PROCESSES, Number(hard ?? MAX_PROCESSES))
  } catch {
    return MAX_PROCESSES
  }
}
