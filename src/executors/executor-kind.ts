import type { Code, Deployment } from '../function/contract.ts'
import type { Execution, ExecutorKind } from '../function/execution.ts'
import { invalidFunction } from '../function/manifest.ts'
import { show } from '../show.ts'
import { bounds } from './instance-pool/pool-bounds.ts'
import { portOf } from './process/fixed-ports.ts'
import { heapProblem } from './thread/heap-problem.ts'

/** The executors that can run a kind of code; the first where the manifest names none. */
const ABLE: Readonly<Record<Exclude<Code['kind'], 'artifact'>, readonly ExecutorKind[]>> = {
  live: ['in-process'],
  program: ['process', 'container'],
  image: ['container'],
}

const WHAT: Readonly<Record<Exclude<Code['kind'], 'artifact'>, string>> = {
  live: 'a value of the embedding program',
  program: 'a program',
  image: 'a container image',
}

type RunnableDeployment = Pick<Deployment, 'manifest' | 'code'>

type Isolation = keyof Pick<Execution, 'sandbox' | 'network' | 'user' | 'readOnly'>

/** What keeps a function away from something, and the executors that do so: no other runs it. */
const HELD_BY: Readonly<Record<Isolation, readonly ExecutorKind[]>> = {
  sandbox: ['process', 'container'],
  network: ['process', 'container'],
  user: ['process', 'container'],
  readOnly: ['container'],
}

/** What says how a program or an image is started: JavaScript is not, wherever it runs. */
const OF_PROGRAMS = ['image', 'runtime', 'command', 'protocol', 'handlerPort'] as const

/** What an executor cannot do with a deployment that it could run otherwise. */
const PROBLEMS: Readonly<
  Partial<Record<ExecutorKind, (deployment: RunnableDeployment) => string | undefined>>
> = {
  thread: ({ manifest }) => heapProblem(manifest),
  process: deployment => {
    const port = portOf(deployment)
    const { most } = bounds(deployment.manifest.execution)
    if (port === undefined || most === 1) return undefined
    return `${most} instances cannot share handlerPort ${port}; remove instances, minInstances and maxInstances, or have the program use PORT`
  },
}

/** Declared, these ask for nothing. */
const OPEN: Execution = { sandbox: 'none', network: true, readOnly: false }

/**
 * Where a deployment runs.
 *
 * @param byDefault for JavaScript whose manifest does not say
 * @throws FezzError `INVALID_MANIFEST` when its code cannot run where its manifest says, or not as it
 *   says: without what is to keep it apart, or with what is for other code
 */
export function executorKindOf(
  deployment: RunnableDeployment,
  byDefault: ExecutorKind,
): ExecutorKind {
  const kind = ableKindOf(deployment, byDefault)
  const { manifest, code } = deployment
  const { id, execution } = manifest
  const foreign = OF_PROGRAMS.find(field => execution[field] !== undefined)
  if (foreign !== undefined && (code.kind === 'artifact' || code.kind === 'live')) {
    throw invalidFunction(
      id,
      `${foreign} ${show(execution[foreign])} is for programs and images, and its code is JavaScript; remove it, or declare the program in a fezz.json`,
    )
  }
  const problem = PROBLEMS[kind]?.(deployment)
  if (problem !== undefined) throw invalidFunction(id, problem)
  for (const field of Object.keys(HELD_BY) as Isolation[]) {
    const value = execution[field]
    const holders = HELD_BY[field]
    if (value === undefined || value === OPEN[field] || holders.includes(kind)) continue
    throw invalidFunction(
      id,
      `${field} ${show(value)} does not hold in executor "${kind}"; write executor ${named(holders)}, or remove it`,
    )
  }
  return kind
}

/**
 * The port of this machine that a deployment names for itself, if it runs in processes: no other
 * instance, of whichever deployment, can run at the same time.
 */
export function ownPortOf(deployment: RunnableDeployment): number | undefined {
  // Only programs have one, and where they run is nothing that a host decides.
  return ableKindOf(deployment, 'in-process') === 'process' ? portOf(deployment) : undefined
}

function ableKindOf({ manifest, code }: RunnableDeployment, byDefault: ExecutorKind): ExecutorKind {
  const { executor } = manifest.execution
  if (code.kind === 'artifact') return executor ?? byDefault
  const able = ABLE[code.kind]
  if (executor === undefined) return able[0]!
  if (able.includes(executor)) return executor
  throw invalidFunction(
    manifest.id,
    `executor "${executor}" cannot run ${WHAT[code.kind]}; write ${named(able)}`,
  )
}

function named(kinds: readonly ExecutorKind[]): string {
  return kinds.map(kind => `"${kind}"`).join(' or ')
}
