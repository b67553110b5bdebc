import { onPath } from '../../services/run.ts'

/**
 * Whether the system has a program, without which a test means nothing. Said loudly where not.
 *
 * @throws when it is missing and `FEZZ_REQUIRE_SERVICES=1`
 */
export async function hasTool(name: string, debianPackage: string): Promise<boolean> {
  if ((await onPath(name)) !== undefined) return true
  const message = `${name} is missing: install the package ${debianPackage}`
  if (process.env['FEZZ_REQUIRE_SERVICES'] === '1') throw new Error(message)
  console.warn(`SKIPPING TESTS: ${message}`)
  return false
}
