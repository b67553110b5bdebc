import { FezzError } from '../../errors.ts'

/** Codes with which a connection to an engine fails that is not there. */
const UNREACHABLE: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'ETIMEDOUT',
])

/** With which it fails to one that is not for this user. */
const CLOSED: ReadonlySet<unknown> = new Set(['EACCES', 'EPERM'])

/** The HTTP status with which the engine has refused a call; undefined when it was not reached. */
export function statusOf(error: unknown): number | undefined {
  const { statusCode } = (error ?? {}) as { readonly statusCode?: unknown }
  return typeof statusCode === 'number' ? statusCode : undefined
}

/** Whether the engine knows no such container, image or network. */
export function isMissing(error: unknown): boolean {
  return statusOf(error) === 404
}

/** Whether a container could not start since another program has the port that it was given. */
export function isPortTaken(error: unknown): boolean {
  return /address already in use|port is already allocated/i.test(String(error))
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
  return new FezzError('FUNCTION_LOAD_FAILED', describe(error, code, what, where), { cause: error })
}

function describe(error: unknown, code: unknown, what: string, where: string): string {
  if (CLOSED.has(code)) {
    return `the user of the host may not open the container engine's socket ${where} (${code}); add the user to the group that it belongs to, or set containerEngine to one of the user's own`
  }
  return UNREACHABLE.has(code)
    ? `no container engine answers at ${where} (${code}); start Docker or podman's service, or set containerEngine to where it listens`
    : `the container engine could not ${what}: ${engineMessage(error)}`
}
