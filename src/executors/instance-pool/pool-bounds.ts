import type { Execution } from '../../function/execution.ts'

/** How many instances a deployment has. */
export interface PoolBounds {
  /** At the start, and never fewer unless they die; at least 1. */
  readonly start: number
  /** Under load; at least `start`. */
  readonly most: number
  /** Requests at once in each instance before one more is started. */
  readonly concurrency: number
}

const DEFAULT_CONCURRENCY = 10

export function bounds(execution: Execution): PoolBounds {
  const { instances = 1, minInstances = 0, maxInstances = 1, instanceConcurrency } = execution
  const start = Math.max(instances, minInstances)
  return {
    start,
    most: Math.max(start, maxInstances),
    concurrency: instanceConcurrency ?? DEFAULT_CONCURRENCY,
  }
}
