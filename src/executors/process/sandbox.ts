import type { FezzError } from '../../errors.ts'
import type { Execution } from '../../function/execution.ts'
import { invalidFunction } from '../../function/manifest.ts'
import { bwrapPrefix } from './bwrap.ts'
import type { SandboxPlan } from './sandbox-plan.ts'
import type { Tools } from './tools.ts'
import { noNetworkPrefix, unsharePrefix } from './unshare.ts'

/** How a process is kept apart. */
export type Sandboxing = 'none' | 'no-network' | 'bwrap' | 'unshare'

/** How many processes each of them puts between the one that is started and the program. */
export const WRAPPERS: Readonly<Record<Sandboxing, number>> = {
  none: 0,
  'no-network': 0,
  bwrap: 2,
  unshare: 1,
}

/** What a manifest asks for that the machine cannot do must not be left out in silence. */
export function sandboxingFor(
  functionId: string,
  { sandbox = 'none', network = true }: Execution,
  tools: Tools,
): Sandboxing {
  if (sandbox === 'none') {
    if (network) return 'none'
    if (tools.unshare !== undefined) return 'no-network'
    throw missing(functionId, 'network: false', 'install util-linux (unshare)')
  }
  if (tools.bwrap !== undefined) return 'bwrap'
  if (tools.unshare !== undefined && tools.mount !== undefined && tools.setpriv !== undefined) {
    return 'unshare'
  }
  throw missing(functionId, 'sandbox: "namespaces"', 'install bubblewrap (bwrap)')
}

function missing(functionId: string, what: string, remedy: string): FezzError {
  return invalidFunction(
    functionId,
    `${what} needs a program that this machine does not have; ${remedy}`,
  )
}

/** What goes before a command so that it runs as `sandboxing` says. */
export function sandboxPrefix(
  sandboxing: Sandboxing,
  plan: SandboxPlan,
  tools: Tools,
): readonly string[] {
  if (sandboxing === 'bwrap') return bwrapPrefix(plan, tools)
  if (sandboxing === 'unshare') return unsharePrefix(plan, tools)
  if (sandboxing === 'no-network') return noNetworkPrefix(plan, tools)
  return []
}
