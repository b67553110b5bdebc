import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { FezzError } from '../errors.ts'
import type { Cgroups } from '../executors/cgroups.ts'
import { Executors } from '../executors/executors.ts'
import { InProcessExecutor } from '../executors/in-process/in-process-executor.ts'
import { defaultRunFolder, isRunFolderUsed } from '../executors/run-base.ts'
import type { RunFolder } from '../executors/run-folder.ts'
import type { ArtifactCode } from '../function/contract.ts'
import { evaluateArtifact } from '../loader/evaluate.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { HostConfig } from './config.ts'

const LOAD_SHARE = 0.9

export interface HostExecutorsOptions {
  readonly config: HostConfig
  readonly log: Logger
  /** Makes the code of an artifact present on this machine. */
  ensure(code: ArtifactCode): Promise<void>
}

export interface HostExecutors {
  /** All but in-process are loaded on first use. */
  readonly executors: Executors
  /**
   * Ends and removes what hosts with the same `runDir` left behind that were killed: also for a host
   * that itself never needs that folder. Costs a look at a folder where nothing is left. Never rejects.
   */
  clearUp(): Promise<void>
}

/** The executors of a host as its settings want them. */
export function hostExecutors({ config, log, ensure }: HostExecutorsOptions): HostExecutors {
  let opened: Promise<RunFolder> | undefined
  const runFolder = (): Promise<RunFolder> => {
    opened ??= openRunFolder(config, log)
    opened.catch(() => {
      opened = undefined
    })
    return opened
  }
  const { unloadTimeoutMs, killGraceMs } = config
  // They know what a load has waited for, and so tell it before the registry only says how long.
  const loadTimeoutMs = Math.ceil(config.loadTimeoutMs * LOAD_SHARE)
  const shared = { log, loadTimeoutMs, unloadTimeoutMs, killGraceMs }
  const executors = new Executors({
    inProcess: new InProcessExecutor({ evaluate: evaluateArtifact, log }),
    ensure,
    open: {
      thread: async () => {
        const { ThreadExecutor } = await import('../executors/thread/thread-executor.ts')
        return new ThreadExecutor({ ...shared, warm: config.warmPool })
      },
      process: async () => {
        const { ProcessExecutor } = await import('../executors/process/process-executor.ts')
        return new ProcessExecutor({
          ...shared,
          warm: config.warmPool,
          runFolder: await runFolder(),
          cgroups: await openCgroups(config),
        })
      },
      container: async () => {
        const { ContainerExecutor } = await import('../executors/container/container-executor.ts')
        const { parseEngineAddress } = await import('../executors/container/engine-address.ts')
        const { containerEngine, nodeImage, registryConfig } = config
        const folder = await runFolder()
        return new ContainerExecutor({
          ...shared,
          runFolder: folder,
          // Who shares this folder may clear up behind the others.
          owner: `${hostname()}:${dirname(folder.path)}`,
          nodeImage,
          ...(containerEngine !== '' && { engine: parseEngineAddress(containerEngine) }),
          ...(registryConfig !== '' && { registryConfig }),
        })
      },
    },
    closed: async () => {
      const folder = await opened?.catch(() => undefined)
      await folder?.close()
    },
  })
  const clearUp = async () => {
    if (opened !== undefined || !isRunFolderUsed(runFolderOf(config))) return
    await runFolder().catch(err => log.warn({ err }, 'what killed hosts left is not removed'))
  }
  return { executors, clearUp }
}

function runFolderOf({ runDir }: HostConfig): string {
  return runDir === '' ? defaultRunFolder() : runDir
}

/** @throws FezzError `INVALID_CONFIG` when the group that is named cannot be divided */
async function openCgroups({ controlGroup }: HostConfig): Promise<Cgroups> {
  const { Cgroups } = await import('../executors/cgroups.ts')
  if (controlGroup === '') return Cgroups.open()
  const cgroups = Cgroups.open({ parent: controlGroup })
  if (cgroups.controllers.size > 0) return cgroups
  throw new FezzError(
    'INVALID_CONFIG',
    `controlGroup "${controlGroup}" does not exist, or this host may not divide it; have it delegated to the host, or leave it out`,
  )
}

async function openRunFolder(config: HostConfig, log: Logger): Promise<RunFolder> {
  const { RunFolder } = await import('../executors/run-folder.ts')
  return RunFolder.open({ folder: runFolderOf(config), log })
}
