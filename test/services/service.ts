import { execFile } from 'node:child_process'
import { access, constants, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { delimiter, join, resolve } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Unpacked packages are kept here between runs. */
const CACHE = resolve('node_modules/.cache/fezz-services')

/** Where the program of a real component may come from, in this order of preference. */
interface BinarySource {
  /** Environment variable that holds its path. */
  readonly env: string
  /** Debian package that has it; unpacked into a cache folder, never installed. */
  readonly debianPackage?: string
  /** Where it is in the package. Default `usr/bin/<name>`. */
  readonly path?: string
}

/**
 * Path of the program `name`: from the environment variable, else from PATH, else from its Debian
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
  const found = await onPath(name)
  if (found !== undefined) return found
  let reason = 'it is not on PATH'
  if (source.debianPackage !== undefined) {
    try {
      return await fromPackage(source.debianPackage, source.path ?? `usr/bin/${name}`)
    } catch (error) {
      reason += `, and its package cannot be used: ${(error as Error).message.trim()}`
    }
  }
  const message = `${name} is missing: ${reason}; set ${source.env} to its path`
  if (process.env['FEZZ_REQUIRE_SERVICES'] === '1') throw new Error(message)
  console.warn(`SKIPPING TESTS: ${message}`)
  return undefined
}

async function onPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const file = join(folder, name)
    if (folder !== '' && (await isExecutable(file))) return file
  }
  return undefined
}

async function fromPackage(debianPackage: string, path: string): Promise<string> {
  const unpacked = join(CACHE, debianPackage)
  const program = join(unpacked, path)
  if (await isExecutable(program)) return program
  await mkdir(CACHE, { recursive: true })
  // Aside and then renamed: another test process may be doing the same.
  const scratch = await mkdtemp(join(CACHE, `${debianPackage}-`))
  try {
    await download(debianPackage, scratch)
    const archive = (await readdir(scratch)).find(file => file.endsWith('.deb'))
    if (archive === undefined) throw new Error(`apt-get left no archive of ${debianPackage}`)
    await run('dpkg-deb', ['-x', join(scratch, archive), join(scratch, 'root')])
    await rename(join(scratch, 'root'), unpacked).catch(async error => {
      if (!(await isExecutable(program))) throw error
    })
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
  if (await isExecutable(program)) return program
  throw new Error(`package ${debianPackage} has no ${path}`)
}

async function download(debianPackage: string, folder: string): Promise<void> {
  try {
    await run('apt-get', ['download', debianPackage], { cwd: folder })
  } catch {
    // The lists may be missing or name a version that is gone.
    await run('apt-get', ['update'])
    await run('apt-get', ['download', debianPackage], { cwd: folder })
  }
}

function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  )
}
