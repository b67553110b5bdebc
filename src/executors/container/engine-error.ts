import { FezzError } from '../../errors.ts'

/** Codes with which a connection to an engine fails that is not there. */
const UNREACHABLE: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'EACCES',
  'EPERM',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'ETIMEDOUT',
])

/** The HTTP status with which the engine has refused a call; undefined when it was not reached. */
export function statusOf(error: unknown): number | undefined {
  const { statusCode } = (error ?? {}) as { readonly statusCode?: unknown }
  return typeof statusCode === 'number' ? statusCode : undefined
}

/** Whether the engine knows no such container, image or network. */
export function isMissing(error: unknown): boolean {
  return statusOf(error) === 404
}

/** What the engine itself says. */
export function engineMessage(error: unknown): string {
  const { json, message } = (error ?? {}) as {
    readonly json?: { readonly message?: unknown } | null
    readonly message?: unknown
  }
  return String(json?.message ?? message ?? error).trim()
}

/**
 * A failed call of the engine, as a load fails with it.
 *
 * @param what the call was to do, e.g. `start the container`
 * @param where the engine was looked for
 */
export function engineError(error: unknown, what: string, where: string): FezzError {
  if (error instanceof FezzError) return error
  const { code } = (error ?? {}) as { readonly code?: unknown }
  const message = UNREACHABLE.has(code)
    ? `no container engine answers at ${where} (${code}); start Docker or podman's service, or set containerEngine to where it listens`
    : `the container engine could not ${what}: ${engineMessage(error)}`
  return new FezzError('FUNCTION_LOAD_FAILED', message, { cause: error })
}
