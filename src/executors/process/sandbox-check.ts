import { invalidFunction } from '../../function/manifest.ts'
import { ContainedProcess } from './contained-process.ts'
import type { ContainedWorld } from './contained-world.ts'
import { baseEnvironment } from './environment.ts'
import type { LaunchPlan } from './launch.ts'

/**
 * Learns whether the machine lets a sandbox be made, which may depend on its kernel, its security
 * modules and the container that it is itself. Asked once for each kind of sandbox.
 */
export class SandboxCheck {
  readonly #world: ContainedWorld
  readonly #passed = new Map<string, Promise<void>>()

  constructor(world: ContainedWorld) {
    this.#world = world
  }

  /** @throws FezzError `INVALID_MANIFEST` when it is refused */
  pass(functionId: string, plan: LaunchPlan): Promise<void> {
    const { sandboxing, user, network } = plan
    if (sandboxing === 'none') return Promise.resolve()
    const kind = [sandboxing, user?.uid, user?.gid, network].join()
    const known = this.#passed.get(kind)
    if (known !== undefined) return known
    const passing = this.#try(functionId, plan)
    this.#passed.set(kind, passing)
    // Somebody may change what the machine allows.
    passing.catch(() => this.#passed.delete(kind))
    return passing
  }

  async #try(functionId: string, plan: LaunchPlan): Promise<void> {
    const folder = this.#world.runFolder.instance()
    const launch = {
      ...plan,
      folder,
      command: ['/bin/sh', '-c', 'exit 0'],
      cwd: folder.home,
      env: baseEnvironment(folder),
      hasChannel: false,
    }
    const process = new ContainedProcess(launch, this.#world)
    process.stdout.resume()
    const { code, error } = await process.ended
    if (code === 0) return
    const what = plan.sandboxing === 'no-network' ? 'network: false' : 'sandbox: "namespaces"'
    throw invalidFunction(
      functionId,
      `this machine refuses ${what}; let the host's user make user namespaces, or leave it out`,
      { cause: error },
    )
  }
}
