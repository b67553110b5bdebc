import { debian, type Package } from './packages.ts'
import { firstExecutable, isExecutable, onPath, run } from './run.ts'

/** Where the program of a real component may come from, in this order of preference. */
export interface BinarySource {
  /** Environment variable that holds its path. */
  readonly env: string
  /** What `args` must print for one from PATH to be taken. Default: any is. */
  readonly usable?: { readonly args: readonly string[]; readonly prints: RegExp }
  /** Program files that may be there already; after PATH, before any package. */
  readonly files?: readonly string[]
  /** Debian package that has it as `usr/bin/<name>`: the short form of one of `packages`. */
  readonly debianPackage?: string
  /** Packages that have it, tried in turn; see packages.ts. */
  readonly packages?: readonly Package[]
}

/**
 * Path of the program `name`: from the environment variable, else from PATH, else from its
 * package. `undefined`, said loudly, when there is none: the tests that need it are skipped then.
 *
 * @throws when there is none and `FEZZ_REQUIRE_SERVICES=1`, or when the variable names no program
 */
export async function binary(name: string, source: BinarySource): Promise<string | undefined> {
  const named = process.env[source.env]
  if (named !== undefined) {
    if (await isExecutable(named)) return named
    throw new Error(`${source.env}=${named} is not a program`)
  }
  const found = (await usableOnPath(name, source)) ?? (await firstExecutable(source.files ?? []))
  if (found !== undefined) return found
  let reason = 'it is not on PATH'
  const { packages = [], debianPackage } = source
  const last = debianPackage === undefined ? [] : [debian(debianPackage, `usr/bin/${name}`)]
  for (const unpack of [...packages, ...last]) {
    try {
      return await unpack()
    } catch (error) {
      reason += `, and its package cannot be used: ${(error as Error).message.trim()}`
    }
  }
  const message = `${name} is missing: ${reason}; set ${source.env} to its path`
  if (process.env['FEZZ_REQUIRE_SERVICES'] === '1') throw new Error(message)
  console.warn(`SKIPPING TESTS: ${message}`)
  return undefined
}

async function usableOnPath(name: string, { usable }: BinarySource): Promise<string | undefined> {
  const file = await onPath(name)
  if (file === undefined || usable === undefined) return file
  const printed = await run(file, usable.args).catch(() => '')
  return usable.prints.test(printed) ? file : undefined
}
