import { access, readFile } from 'node:fs/promises'
import { basename, join, matchesGlob } from 'node:path'
import { FezzError } from '../../errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { sha256Of } from '../inputs.ts'
import { buildOnce } from './build-folder.ts'
import { runTool, toolEnvironment, withoutSecrets } from './run-tool.ts'
import type { Runtime } from './runtime.ts'
import { copyFiles, type SourceFile, type SourceFiles } from './source-files.ts'
import { fillAll, fillValues, type Variables } from './template.ts'

/** Raised when programs are built or kept in another way: what was built before no longer counts. */
const FORMAT = 1

/** File of a built folder, made by a build step: more words of the command. */
const ARGUMENTS_FILE = '.fezz/arguments.json'

/** Of a failed step's output. */
const MAX_LINES = 30

/** A function's folder, made ready to run. */
export interface BuiltProgram {
  /** Hex sha256 of all it was made of: sources, runtime, the tool's version. */
  readonly sha256: string
  readonly folder: string
  /** Rather than found in the cache. */
  readonly isNew: boolean
  /** Words that a build step adds to the runtime's command; `undefined`: it has made none. */
  readonly added: readonly string[] | undefined
  /** For the runtime's command and variables. */
  readonly variables: Variables
}

/**
 * Makes programs out of sources: `programs/<sha256>/` has a copy of a function's folder in which its
 * runtime's build steps have run, `packages/<sha256>/` what several functions share.
 */
export class ProgramBuilder {
  readonly #cacheDir: string
  readonly #files: SourceFiles
  readonly #log: Logger
  /** What is known of each runtime's tools and files, by name: as long as the process lives. */
  readonly #identities = new Map<string, Promise<Identity>>()

  /** @param cacheDir absolute */
  constructor(cacheDir: string, files: SourceFiles, log: Logger) {
    this.#cacheDir = cacheDir
    this.#files = files
    this.#log = log
  }

  /**
   * @param folder absolute path of the sources
   * @param sources the files of it that matter
   * @param runtime absent: there is nothing to build
   * @throws FezzError `BUILD_FAILED`, with the end of what the tool has said
   */
  async build(
    folder: string,
    sources: readonly SourceFile[],
    runtime: Runtime | undefined,
  ): Promise<BuiltProgram> {
    if (runtime === undefined) return this.#build(folder, sources)
    const identity = await this.#identify(runtime, folder)
    const variables = this.#variablesOf(runtime, identity)
    const packages = await this.#install(folder, sources, { runtime, identity, variables })
    return this.#build(folder, sources, {
      runtime,
      identity,
      variables: { ...variables, packages },
    })
  }

  async #build(
    folder: string,
    sources: readonly SourceFile[],
    by?: BuiltBy,
  ): Promise<BuiltProgram> {
    // By its name alone, which is its sha256: where the cache is makes no other program.
    const packages = basename(by?.variables['packages'] ?? '')
    const sha256 = keyOf([by?.identity ?? null, packages, sources])
    const programs = join(this.#cacheDir, 'programs')
    const { path, isNew } = await buildOnce(programs, sha256, async temporary => {
      await copyFiles(sources, folder, temporary)
      if (by === undefined) return
      // It may take minutes, in which nothing else is seen of a host that starts.
      this.#log.info({ folder, runtime: by.runtime.name }, 'building a program')
      await this.#run(by.runtime.build, by, folder, temporary)
    })
    const variables = { ...by?.variables, folder: path }
    return { sha256, folder: path, isNew, variables, added: await readArguments(path) }
  }

  /** Folder with what the function's files ask for beside themselves; `''`: there is none. */
  async #install(folder: string, sources: readonly SourceFile[], by: BuiltBy): Promise<string> {
    const { packages } = by.runtime
    if (packages === undefined) return ''
    const brings = (name: string) =>
      sources.some(({ path }) => path === name || path.startsWith(`${name}/`))
    if (packages.unless !== undefined && brings(packages.unless)) return ''
    const decides = (path: string) => packages.of.some(pattern => matchesGlob(path, pattern))
    const of = sources.filter(({ path }) => decides(path))
    const sha256 = keyOf([by.identity, of])
    const all = join(this.#cacheDir, 'packages')
    const { path } = await buildOnce(all, sha256, async temporary => {
      await copyFiles(of, folder, temporary)
      this.#log.info({ folder, runtime: by.runtime.name }, 'installing packages')
      const variables = { ...by.variables, packages: temporary }
      await this.#run(packages.build, { ...by, variables }, folder, temporary)
    })
    return path
  }

  async #run(
    steps: readonly (readonly string[])[],
    { runtime, variables }: BuiltBy,
    folder: string,
    cwd: string,
  ): Promise<void> {
    const known = { ...variables, folder: cwd }
    const { inherit, set } = runtime.buildEnv
    const env = toolEnvironment(inherit, fillValues(set, known))
    for (const step of steps) {
      const { isOk, failure = '', output } = await runTool(fillAll(step, known), { cwd, env })
      if (isOk) continue
      // The copy is gone when this is read; the sources are not.
      const text = withoutSecrets(output, env).replaceAll(cwd, folder).trim()
      const lines = [...text.split('\n').slice(-MAX_LINES), failure].filter(line => line !== '')
      throw new FezzError(
        'BUILD_FAILED',
        `${folder}: runtime ${runtime.name} cannot build it:\n${lines.map(line => `  ${line}`).join('\n')}`,
      )
    }
  }

  #identify(runtime: Runtime, folder: string): Promise<Identity> {
    let identity = this.#identities.get(runtime.name)
    if (identity === undefined) {
      identity = this.#learn(runtime, folder)
      this.#identities.set(runtime.name, identity)
      // A tool that was missing may be there next time.
      identity.catch(() => this.#identities.delete(runtime.name))
    }
    return identity
  }

  async #learn(runtime: Runtime, folder: string): Promise<Identity> {
    const { version, missing } = runtime.tool
    const env = toolEnvironment(runtime.buildEnv.inherit, {})
    const command = fillAll(version, { node: process.execPath })
    const [{ isOk, stdout }, files] = await Promise.all([
      runTool(command, { cwd: runtime.folder, env }),
      this.#files.list(runtime.folder, ['__pycache__'], []),
    ])
    if (!isOk) {
      throw new FezzError('BUILD_FAILED', `${folder}: runtime ${runtime.name}: ${missing}`)
    }
    return { runtime: runtime.name, files: keyOf(files), version: stdout.trim() }
  }

  #variablesOf(runtime: Runtime, { version }: Identity): Variables {
    const [number = '', home = ''] = version.split('\n')
    return {
      runtime: runtime.folder,
      version: number,
      home,
      node: process.execPath,
      cache: join(this.#cacheDir, 'tools', runtime.name),
      PATH: process.env['PATH'] ?? '',
    }
  }
}

/** All of a runtime that decides what becomes of the same sources. */
interface Identity {
  readonly runtime: string
  /** Hex sha256 of its files. */
  readonly files: string
  /** What the tool says of itself. */
  readonly version: string
}

interface BuiltBy {
  readonly runtime: Runtime
  readonly identity: Identity
  readonly variables: Variables
}

function keyOf(parts: unknown): string {
  return sha256Of(JSON.stringify([FORMAT, process.platform, process.arch, parts]))
}

async function readArguments(folder: string): Promise<readonly string[] | undefined> {
  const file = join(folder, ARGUMENTS_FILE)
  const isThere = await access(file).then(
    () => true,
    () => false,
  )
  return isThere ? (JSON.parse(await readFile(file, 'utf8')) as string[]) : undefined
}
