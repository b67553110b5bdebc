import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { ArtifactCode, InstanceExit } from '../../function/contract.ts'
import type { Channel } from '../channel/channel.ts'
import type { ToHost, ToRunner } from '../channel/messages.ts'
import type { RunnerHandle } from '../channel/runner-handle.ts'
import { SocketChannel } from '../channel/socket-channel.ts'
import { untilReset } from '../channel/until-reset.ts'
import { ContainedProcess } from './contained-process.ts'
import type { ContainedWorld } from './contained-world.ts'
import { baseEnvironment, type Environment } from './environment.ts'
import type { LaunchPlan } from './launch.ts'
import type { ProcessLimits } from './limits.ts'
import { COMPILE_CACHE_VARIABLE } from './runner-protocol.ts'

/** What of a {@link LaunchPlan} a function can choose. */
export type RunnerPlan = Pick<LaunchPlan, 'limits' | 'user' | 'sandboxing' | 'network' | 'reads'>

/** What a runner process runs. */
export const MAIN_FILE = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts') ? './process-main.ts' : './process-main.js',
    import.meta.url,
  ),
)
const COMPILE_CACHE = 'compile-cache'

/** A Node process with a runner in it. */
export class NodeRunner implements RunnerHandle {
  readonly process: ContainedProcess
  readonly channel: Channel<ToRunner, ToHost>
  readonly ended: Promise<InstanceExit>

  /** @throws when the process cannot be started */
  constructor(plan: RunnerPlan, world: ContainedWorld, env: Environment = {}) {
    const folder = world.runFolder.instance()
    // Others cannot write there, and would not find it.
    const sharesCache = plan.sandboxing !== 'bwrap' && plan.sandboxing !== 'unshare' && !plan.user
    const cache = join(world.runFolder.path, COMPILE_CACHE)
    const { reads, ...rest } = plan
    this.process = new ContainedProcess(
      {
        ...rest,
        folder,
        command: [process.execPath, MAIN_FILE],
        cwd: folder.home,
        env: {
          ...env,
          ...baseEnvironment(folder),
          ...(sharesCache && { [COMPILE_CACHE_VARIABLE]: cache }),
        },
        reads: [
          process.execPath,
          ...readsOf({ folder: packageFolder(), entry: MAIN_FILE }),
          ...reads,
        ],
        hasChannel: true,
      },
      world,
    )
    this.channel = untilReset(new SocketChannel(this.process.channel as Duplex))
    this.ended = this.process.ended.then(({ reason, error }) => ({ reason, cause: error }))
  }

  /** Sets other limits than it was started with. */
  limit(limits: ProcessLimits): void {
    this.process.limit(limits)
  }

  async kill(): Promise<void> {
    this.process.kill('killed', 'the host has ended it')
    await this.ended
  }
}

/** Paths that evaluating an artifact reads: itself, and where what it left external is found. */
export function readsOf({ folder, entry }: Pick<ArtifactCode, 'folder' | 'entry'>): string[] {
  const reads = [folder]
  for (let at = dirname(entry); ; at = dirname(at)) {
    const modules = join(at, 'node_modules')
    if (existsSync(modules)) reads.push(modules)
    if (at === dirname(at)) return reads
  }
}

/** Where this very code and what it imports are. */
export function packageFolder(): string {
  let folder = dirname(MAIN_FILE)
  while (!existsSync(join(folder, 'package.json')) && folder !== dirname(folder)) {
    folder = resolve(folder, '..')
  }
  return folder
}
