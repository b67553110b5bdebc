import { types } from 'node:util'

/** Rewrites a stack trace, e.g. through source maps. */
export type MapStack = (stack: string) => string

/** What a log line holds of an error: nothing of the error's own other properties. */
export interface SerializedError {
  /** Class name, or `typeof` for a thrown value that is not an Error. */
  readonly type: string
  readonly message: string
  /** `code` of a FezzError or of Node's errors. */
  readonly code?: string
  readonly stack?: string
  readonly cause?: SerializedError
  /** Those of an AggregateError. */
  readonly errors?: readonly SerializedError[]
}

/** A chain that is longer, or a cycle, is cut here. */
const MAX_DEPTH = 8

/**
 * An error as plain data for the log, with its chain of causes.
 *
 * @param mapStack applied to each stack; when it throws, the stack is kept as it is
 */
export function serializeError(error: unknown, mapStack?: MapStack, depth = 0): SerializedError {
  try {
    return serialize(error, mapStack, depth)
  } catch {
    // A getter or a Proxy's trap: what is logged when nothing else is left to catch must not throw.
    return { type: typeof error, message: 'an error that cannot be read' }
  }
}

function serialize(error: unknown, mapStack: MapStack | undefined, depth: number): SerializedError {
  if (!isError(error)) {
    return { type: error === null ? 'null' : typeof error, message: describe(error) }
  }
  const { code, cause, errors } = error as Error & { code?: unknown; errors?: unknown }
  const nested = depth < MAX_DEPTH
  return {
    type: error.name === 'Error' ? (error.constructor?.name ?? 'Error') : error.name,
    message: error.message,
    ...(typeof code === 'string' && { code }),
    ...(error.stack && { stack: mapped(error.stack, mapStack) }),
    ...(cause !== undefined && nested && { cause: serializeError(cause, mapStack, depth + 1) }),
    ...(Array.isArray(errors) &&
      nested && { errors: errors.map(each => serializeError(each, mapStack, depth + 1)) }),
  }
}

function isError(value: unknown): value is Error {
  // An error of another realm (vm, worker) is no instance of this realm's Error.
  return value instanceof Error || types.isNativeError(value)
}

function describe(value: unknown): string {
  try {
    return String(value)
  } catch {
    return Object.prototype.toString.call(value)
  }
}

function mapped(stack: string, mapStack: MapStack | undefined): string {
  try {
    return mapStack?.(stack) ?? stack
  } catch {
    return stack
  }
}
