import { FezzError } from '../errors.ts'
import type { Execution, ExecutionInput } from './execution.ts'

/** Methods a route may name (RFC 9110, section 9, and PATCH of RFC 5789). */
export const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const
export type Method = (typeof METHODS)[number]

/** One route of a function, every default filled in. */
export interface ManifestRoute {
  /** Upper case. A GET route answers HEAD too. */
  readonly methods: readonly Method[] | 'ANY'
  /** Pattern: literal segments, `:name`, and a last `*`. */
  readonly path: string
  /** Lower case; exact or `*.example.com`; absent means any host. */
  readonly host?: string
  /** Higher is tried first. */
  readonly priority: number
}

/** Whether some method is in both. */
export function methodsOverlap(a: ManifestRoute['methods'], b: ManifestRoute['methods']): boolean {
  return a === 'ANY' || b === 'ANY' || a.some(method => b.includes(method))
}

/** Declared metadata of a function, checked and with every default filled in. Known without running the code. */
export interface Manifest {
  readonly id: string
  readonly version: string
  readonly description: string
  /** At least one. */
  readonly routes: readonly ManifestRoute[]
  /** From the request to the Response's head, in milliseconds; absent: the host's `functionTimeout`. */
  readonly timeoutMs?: number
  /** Idle time before it is unloaded, in milliseconds; absent: the host's `idleTtl`. */
  readonly idleTtlMs?: number
  /** Load at start instead of at the first request. */
  readonly preload: boolean
  /** Requests at once; absent: the host's `functionConcurrency`. */
  readonly maxConcurrency?: number
  readonly env: Readonly<Record<string, string>>
  readonly execution: Execution
}

/** A duration as people write it: seconds as a number, or text such as `"500ms"`, `"30s"`, `"5m"`, `"1h"`. */
export type DurationInput = number | string

/** A route as people write it. */
export interface RouteInput {
  method?: string | readonly string[]
  path: string
  host?: string
  priority?: number
}

/** What `@FezzFunction({...})`, `export const manifest = {...}` and `register(fn, {...})` accept. */
export interface ManifestInput extends ExecutionInput {
  /** Unique on the host: letters, digits, `.`, `_`, `-`, at most 128. */
  id: string
  /** Default `"v1"`. */
  version?: string
  /** Default `"GET"`. One, a list, or `"ANY"`. */
  method?: string | readonly string[]
  /** Default `"/"`. */
  path?: string
  /** Default: any host. */
  host?: string
  /** Default 0; higher is tried first. */
  priority?: number
  /** More routes beside `path`, or instead of it where `path` is absent. */
  routes?: readonly (string | RouteInput)[]
  /** Default: the host's `functionTimeout`. */
  timeout?: DurationInput
  /** Default: the host's `idleTtl`. */
  idleTtl?: DurationInput
  /** Default `""`. */
  description?: string
  /** Default false. */
  preload?: boolean
  /** Default: the host's `functionConcurrency`. */
  maxConcurrency?: number
  /** Variables of this function alone. */
  env?: Record<string, string>
}

/**
 * Under this reflect-metadata key the decorators keep a class's {@link ManifestInput}. Everything
 * else reads it through the global `Reflect.getOwnMetadata`, so nothing here needs the decorators.
 */
export const MANIFEST_METADATA_KEY = 'fezz:manifest'

/** What is thrown for a wrong declaration; `message` names the function, the field and the value. */
export function invalidManifest(message: string): FezzError {
  return new FezzError('INVALID_MANIFEST', message)
}

/** The same of a function that is known by its id. */
export function invalidFunction(
  id: string,
  problem: string,
  options: ErrorOptions = {},
): FezzError {
  return new FezzError('INVALID_MANIFEST', `Function "${id}": ${problem}`, options)
}
