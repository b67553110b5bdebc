import type { FezzError } from '../errors.ts'
import { executorKindOf } from '../executors/executor-kind.ts'
import type { Deployment } from '../function/contract.ts'
import type { ExecutorKind } from '../function/execution.ts'
import { invalidFunction, type Manifest } from '../function/manifest.ts'
import type { HostConfig } from './config.ts'
import type { SettingName } from './settings.ts'

/** What the host's settings say about every function: defaults, and ceilings, where 0 is none. */
export type FunctionLimits = Pick<
  HostConfig,
  | 'executor'
  | 'functionTimeoutMs'
  | 'maxFunctionTimeoutMs'
  | 'functionConcurrency'
  | 'functionMemoryBytes'
  | 'maxFunctionMemoryBytes'
  | 'maxFunctionInstances'
>

/** A deployment whose manifest says all that the host would have to decide for it. */
export interface CompleteDeployment extends Deployment {
  readonly manifest: Manifest & { readonly timeoutMs: number }
}

/**
 * `deployment` with the host's defaults where it declares nothing. No default is above its ceiling.
 * Memory is bounded by default only where the executor can hold it.
 *
 * @returns an object of its own for each call
 */
export function completeDeployment(
  deployment: Deployment,
  limits: FunctionLimits,
): CompleteDeployment {
  const { manifest } = deployment
  const { execution, timeoutMs, maxConcurrency = limits.functionConcurrency } = manifest
  const executor = execution.executor ?? executorKindOf(deployment, limits.executor)
  const memoryBytes = execution.memoryBytes ?? defaultMemoryBytes(executor, limits)
  return {
    ...deployment,
    manifest: Object.freeze({
      ...manifest,
      timeoutMs: timeoutMs ?? least(limits.functionTimeoutMs, limits.maxFunctionTimeoutMs),
      ...(maxConcurrency > 0 && { maxConcurrency }),
      execution: Object.freeze({ ...execution, executor, ...(memoryBytes > 0 && { memoryBytes }) }),
    }),
  }
}

/**
 * Why this host does not run a function that declares so much, if it does not: it is refused
 * rather than given less, since it would fail at its first large request instead of now.
 *
 * @returns an `INVALID_MANIFEST` that names the field, its value and the host's setting
 */
export function ceilingRefusal(
  { id, timeoutMs = 0, execution }: Manifest,
  limits: FunctionLimits,
): FezzError | undefined {
  const { memoryBytes = 0, instances = 0, minInstances = 0, maxInstances = 0 } = execution
  const { maxFunctionTimeoutMs, maxFunctionMemoryBytes, maxFunctionInstances } = limits
  const declared: readonly Declared[] = [
    ['timeout', timeoutMs, ' ms', 'maxFunctionTimeout', maxFunctionTimeoutMs],
    ['memory', memoryBytes, ' bytes', 'maxFunctionMemory', maxFunctionMemoryBytes],
    ['instances', instances, '', 'maxFunctionInstances', maxFunctionInstances],
    ['minInstances', minInstances, '', 'maxFunctionInstances', maxFunctionInstances],
    ['maxInstances', maxInstances, '', 'maxFunctionInstances', maxFunctionInstances],
  ]
  const excess = declared.find(([, value, , , ceiling]) => ceiling > 0 && value > ceiling)
  if (excess === undefined) return undefined
  const [field, value, unit, setting, ceiling] = excess
  return invalidFunction(
    id,
    `${field} is ${value}${unit}, and this host's ${setting} is ${ceiling}${unit}; declare less, or raise ${setting}`,
  )
}

type Declared = readonly [
  field: string,
  value: number,
  unit: string,
  setting: SettingName,
  ceiling: number,
]

function defaultMemoryBytes(executor: ExecutorKind, limits: FunctionLimits): number {
  if (executor === 'in-process') return 0
  const { functionMemoryBytes, maxFunctionMemoryBytes } = limits
  if (functionMemoryBytes === 0) return maxFunctionMemoryBytes
  return least(functionMemoryBytes, maxFunctionMemoryBytes)
}

function least(value: number, ceiling: number): number {
  return ceiling > 0 ? Math.min(value, ceiling) : value
}
