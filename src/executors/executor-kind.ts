import { FezzError } from '../errors.ts'
import type { Code, Deployment } from '../function/contract.ts'
import type { Execution, ExecutorKind } from '../function/execution.ts'
import { show } from '../schema.ts'
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

type Isolation = keyof Pick<Execution, 'sandbox' | 'network' | 'user' | 'readOnly'>

/** What keeps a function away from something, and the executors that do so: no other runs it. */
const HELD_BY: Readonly<Record<Isolation, readonly ExecutorKind[]>> = {
  sandbox: ['process', 'container'],
  network: ['process', 'container'],
  user: ['process', 'container'],
  readOnly: ['container'],
}

/** What says how a program or an image is started: JavaScript is not, wherever it runs. */
const OF_PROGRAMS = ['image', 'runtime', 'command', 'protocol'] as const

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
  deployment: Pick<Deployment, 'manifest' | 'code'>,
  byDefault: ExecutorKind,
): ExecutorKind {
  const kind = ableKindOf(deployment, byDefault)
  const { manifest, code } = deployment
  const { id, execution } = manifest
  const foreign = OF_PROGRAMS.find(field => execution[field] !== undefined)
  if (foreign !== undefined && (code.kind === 'artifact' || code.kind === 'live')) {
    throw refusal(
      id,
      `${foreign} ${show(execution[foreign])} is for programs and images, and its code is JavaScript; remove it, or declare the program in a fezz.json`,
    )
  }
  const problem = kind === 'thread' ? heapProblem(manifest) : undefined
  if (problem !== undefined) throw refusal(id, problem)
  for (const field of Object.keys(HELD_BY) as Isolation[]) {
    const value = execution[field]
    const holders = HELD_BY[field]
    if (value === undefined || value === OPEN[field] || holders.includes(kind)) continue
    throw refusal(
      id,
      `${field} ${show(value)} does not hold in executor "${kind}"; write executor ${named(holders)}, or remove it`,
    )
  }
  return kind
}

function refusal(id: string, problem: string): FezzError {
  return new FezzError('INVALID_MANIFEST', `Function "${id}": ${problem}`)
}

function ableKindOf(
  { manifest, code }: Pick<Deployment, 'manifest' | 'code'>,
  byDefault: ExecutorKind,
): ExecutorKind {
  const { executor } = manifest.execution
  if (code.kind === 'artifact') return executor ?? byDefault
  const able = ABLE[code.kind]
  if (executor === undefined) return able[0]!
  if (able.includes(executor)) return executor
  throw refusal(
    manifest.id,
    `executor "${executor}" cannot run ${WHAT[code.kind]}; write ${named(able)}`,
  )
}

function named(kinds: readonly ExecutorKind[]): string {
  return kinds.map(kind => `"${kind}"`).join(' or ')
}
