import type { Execution, ExecutionInput } from '../function/execution.ts'
import type { Manifest, ManifestInput, ManifestRoute, RouteInput } from '../function/manifest.ts'
import type { FunctionEntry } from './function-entry.ts'
import { formatJson } from './json-text.ts'

/**
 * The value of `fezz/v1/functions/{id}` for an entry: JSON as a person would write it, without what
 * is the default anyway, and with a line break at its end. `parseFunctionEntry` reads it back.
 */
export function formatFunctionEntry({ manifest, code, placement, balance }: FunctionEntry): string {
  return formatJson({
    manifest: inputOf(manifest),
    ...(code && { code }),
    ...(Object.keys(placement).length > 0 && { placement }),
    ...(balance !== 'affinity' && { balance }),
  })
}

function inputOf(manifest: Manifest): ManifestInput {
  const { id, version, description, routes, timeoutMs, idleTtlMs, maxConcurrency, env } = manifest
  const [only, ...others] = routes.map(routeInputOf)
  return {
    id,
    version,
    ...(description !== '' && { description }),
    ...(only !== undefined && others.length === 0 ? only : { routes: routes.map(routeInputOf) }),
    ...(timeoutMs !== undefined && { timeout: formatDuration(timeoutMs) }),
    ...(idleTtlMs !== undefined && { idleTtl: formatDuration(idleTtlMs) }),
    ...(manifest.preload && { preload: true }),
    ...(maxConcurrency !== undefined && { maxConcurrency }),
    ...(Object.keys(env).length > 0 && { env }),
    ...executionInputOf(manifest.execution),
  }
}

/** Checked fields have their unit in their names; people write it with the value. */
function executionInputOf(execution: Execution): ExecutionInput {
  const fields = Object.entries(execution).map(([name, value]) =>
    name.endsWith('Ms')
      ? [name.slice(0, -'Ms'.length), formatDuration(value)]
      : [name.replace(/Bytes$/, ''), value],
  )
  return Object.fromEntries(fields)
}

function routeInputOf({ methods, path, host, priority }: ManifestRoute): RouteInput {
  return {
    method: methods !== 'ANY' && methods.length === 1 ? methods[0]! : methods,
    path,
    ...(host !== undefined && { host }),
    ...(priority !== 0 && { priority }),
  }
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const

/** In the largest unit of which it is a whole number. */
function formatDuration(durationMs: number): string {
  const unit = UNITS.find(([, unitMs]) => durationMs % unitMs === 0)
  if (unit !== undefined) return `${durationMs / unit[1]}${unit[0]}`
  // Not String: that writes very small numbers with an exponent.
  return durationMs < 1e-6 ? `${durationMs.toFixed(100)}ms` : `${durationMs}ms`
}
