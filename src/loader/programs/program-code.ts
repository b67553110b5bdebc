import { FezzError } from '../../errors.ts'
import type { ProgramCode } from '../../function/contract.ts'
import type { Execution } from '../../function/execution.ts'
import { sha256Of } from '../inputs.ts'
import type { BuiltProgram } from './program-builder.ts'
import type { Runtime } from './runtime.ts'
import { fill, fillAll, fillValues, type Variables } from './template.ts'

/** What runs a program, before its variables are filled in: alike on every host. */
interface Start {
  readonly command: readonly string[]
  readonly protocol: ProgramCode['protocol']
  readonly env: Readonly<Record<string, string>>
  readonly image?: string
}

/**
 * How a built program is started.
 *
 * @param origin of the function, for messages
 * @throws FezzError `BUILD_FAILED` when nothing says how
 */
export function programCode(
  built: BuiltProgram,
  runtime: Runtime | undefined,
  execution: Execution,
  origin: string,
): ProgramCode {
  const { sha256, folder, variables } = built
  const start = startOf(built, runtime, execution, origin)
  const { command, protocol, env, image } = start
  return {
    kind: 'program',
    sha256: sha256Of(JSON.stringify([sha256, start])),
    folder,
    // What the function's author has written stands as it is: to a shell, ${HOME} means something.
    command: execution.command ?? fillAll(command, variables),
    protocol,
    env: fillValues(env, variables),
    reads: runtime === undefined ? [] : readsOf(runtime, variables, execution),
    ...(image !== undefined && { image: fill(image, variables) }),
  }
}

/** In a container the tools are those of the image. */
function readsOf(runtime: Runtime, variables: Variables, { executor }: Execution): string[] {
  const outside = executor === 'container' ? [] : fillAll(runtime.reads, variables)
  return [runtime.folder, variables['packages'] ?? '', ...outside].filter(path => path !== '')
}

function startOf(
  { added }: BuiltProgram,
  runtime: Runtime | undefined,
  { executor, command, protocol }: Execution,
  origin: string,
): Start {
  const there = executor === 'container' ? runtime?.container : undefined
  const own = [...(there?.command ?? runtime?.command ?? []), ...(added ?? [])]
  const needed = added === undefined ? runtime?.noCommand : undefined
  if (command === undefined && (own.length === 0 || needed !== undefined)) {
    const advice = needed ?? 'nothing says how it is run; write a command into its fezz.json'
    throw new FezzError('BUILD_FAILED', `${origin}: ${advice}`)
  }
  const image = runtime?.container?.image
  return {
    command: command ?? own,
    protocol: protocol ?? runtime?.protocol ?? 'http',
    env: there?.env ?? runtime?.env ?? {},
    ...(image !== undefined && { image }),
  }
}
