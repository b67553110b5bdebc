import { FezzError } from '../errors.ts'
import type { Code, Deployment } from '../function/contract.ts'
import type { ExecutorKind } from '../function/execution.ts'

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

/**
 * Where a deployment runs.
 *
 * @param byDefault for JavaScript whose manifest does not say
 * @throws FezzError `INVALID_MANIFEST` when its code cannot run where its manifest says
 */
export function executorKindOf(
  { manifest, code }: Pick<Deployment, 'manifest' | 'code'>,
  byDefault: ExecutorKind,
): ExecutorKind {
  const { executor } = manifest.execution
  if (code.kind === 'artifact') return executor ?? byDefault
  const able = ABLE[code.kind]
  if (executor === undefined) return able[0]!
  if (able.includes(executor)) return executor
  throw new FezzError(
    'INVALID_MANIFEST',
    `Function "${manifest.id}": executor "${executor}" cannot run ${WHAT[code.kind]}; write ${able.map(kind => `"${kind}"`).join(' or ')}`,
  )
}
