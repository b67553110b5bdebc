import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { FezzError } from '../errors.ts'
import type { FoundFunction } from '../function/declared.ts'
import { imageCodeOf } from '../function/image-code.ts'
import { invalidManifest, type Manifest } from '../function/manifest.ts'
import { deriveManifest } from '../function/manifest-schema.ts'
import type { Logger } from '../telemetry/logger.ts'
import { type Entry, type Found, FUNCTION_FILE, projectEntry } from './discover.ts'
import { isInstalled } from './inputs.ts'
import { asFezzError, type Outcome } from './loaded-function.ts'
import { type Declared, manifestOf, readManifestFile } from './manifest-file.ts'
import type { Redeclare } from './module-loader.ts'
import { ProgramBuilder } from './programs/program-builder.ts'
import { programCode } from './programs/program-code.ts'
import type { Runtime } from './programs/runtime.ts'
import type { Runtimes } from './programs/runtimes.ts'
import { type SourceFile, SourceFiles } from './programs/source-files.ts'

/** Loads the module of a folder that turns out to be JavaScript. */
type LoadModule = (entry: Entry, redeclare: Redeclare) => Promise<Outcome>

/** What a file beside the sources declares. */
interface BesideSources {
  readonly declared: Declared
  /** That file; absolute. */
  readonly file: string
  /** Default id. */
  readonly name: string
}

/** Turns folders into functions, each by what its files say that it is: a program, an image, a module. */
export class FolderLoader {
  readonly #cacheDir: string
  readonly #runtimes: Runtimes
  readonly #files = new SourceFiles()
  readonly #builder: ProgramBuilder

  /** @param cacheDir absolute */
  constructor(cacheDir: string, runtimes: Runtimes, log: Logger) {
    this.#cacheDir = cacheDir
    this.#runtimes = runtimes
    this.#builder = new ProgramBuilder(cacheDir, this.#files, log)
  }

  /** Never rejects: what is wrong with one function must not hide the others. */
  async load({ kind, file, name }: Found, loadModule: LoadModule): Promise<Outcome> {
    const manifestFile = kind === 'declaration' ? file : join(file, FUNCTION_FILE)
    const inputs = new Set([manifestFile])
    try {
      const declared = await readDeclared(manifestFile)
      // Also of what turns out to be JavaScript: its mistakes come before what else may be missing.
      const manifest = manifestOf(declared ?? {}, name, declared ? manifestFile : file)
      if (declared?.image !== undefined || kind === 'declaration') {
        return imageOf(manifest, manifestFile, file)
      }
      const program = await this.#programOf(file, declared)
      if (program !== undefined) {
        return await this.#loadProgram(file, manifest, program.runtime, inputs)
      }
      return await loadDeclared(
        file,
        { declared: declared ?? {}, file: manifestFile, name },
        loadModule,
      )
    } catch (cause) {
      const error = asFezzError(cause, file)
      return { origin: file, inputs: [...inputs], functions: [], built: true, error }
    }
  }

  /** @returns `undefined` when nothing says that it is a program */
  async #programOf(
    folder: string,
    declared: Declared | undefined,
  ): Promise<{ readonly runtime: Runtime | undefined } | undefined> {
    const runtimes = this.#runtimes
    if (declared?.runtime !== undefined) {
      return { runtime: await runtimes.get(declared.runtime).catch(at(folder)) }
    }
    const told = await runtimes.tell(folder).catch(at(folder))
    return told === undefined && declared?.command === undefined ? undefined : { runtime: told }
  }

  async #loadProgram(
    folder: string,
    manifest: Manifest,
    runtime: Runtime | undefined,
    inputs: Set<string>,
  ): Promise<Outcome> {
    const all = await this.#files.list(folder, runtime?.leaveOut ?? [], [this.#cacheDir])
    // It steers how the program is run, not what it is: a new timeout builds nothing anew.
    const sources = all.filter(({ path }) => path !== FUNCTION_FILE)
    for (const path of watched(folder, sources)) inputs.add(path)
    const built = await this.#builder.build(folder, sources, runtime)
    const code = programCode(built, runtime, manifest.execution, folder)
    const functions = [{ manifest, code, origin: folder }]
    return { origin: folder, inputs: [...inputs], functions, built: built.isNew }
  }
}

async function loadDeclared(
  folder: string,
  beside: BesideSources,
  loadModule: LoadModule,
): Promise<Outcome> {
  const entry = await projectEntry(folder)
  if (entry === undefined) {
    throw invalidManifest(
      `${beside.file}: nothing tells what the function is; write an image, a runtime or a command, or add an index.ts`,
    )
  }
  const outcome = await loadModule(entry, (entry, functions) => [
    declareBeside(entry, functions, beside),
  ])
  const functions = outcome.functions.map(one => ({ ...one, origin: folder }))
  return { ...outcome, origin: folder, inputs: [beside.file, ...outcome.inputs], functions }
}

/** One place declares a function: with two, a reader of either would be wrong about it. */
function declareBeside(
  entry: Entry,
  functions: readonly FoundFunction[],
  { declared, file, name }: BesideSources,
): FoundFunction {
  const [only, ...others] = functions
  if (only === undefined || others.length > 0) {
    const ids = functions.map(({ manifest }) => manifest.id).join(', ')
    throw invalidManifest(`${file}: it declares one function, and ${entry.file} has ${ids}`)
  }
  if (!isDeepStrictEqual(only.manifest, deriveManifest(entry.name))) {
    throw invalidManifest(`${entry.file} declares its function, and so does ${file}; remove one`)
  }
  return { exportName: only.exportName, manifest: manifestOf(declared, name, file) }
}

function imageOf(manifest: Manifest, file: string, origin: string): Outcome {
  const code = imageCodeOf(manifest.execution)
  if (code === undefined) {
    throw invalidManifest(
      `${file}: image is missing; a file alone declares an image, and code has its ${FUNCTION_FILE} in its own folder`,
    )
  }
  return { origin, inputs: [file], functions: [{ manifest, code, origin }], built: false }
}

async function readDeclared(file: string): Promise<Declared | undefined> {
  const isThere = await stat(file).catch(() => undefined)
  return isThere === undefined ? undefined : readManifestFile(file)
}

function watched(folder: string, sources: readonly SourceFile[]): string[] {
  return sources.map(({ path }) => join(folder, path)).filter(path => !isInstalled(path))
}

/** Says which folder it is about. */
function at(folder: string): (error: unknown) => never {
  return error => {
    if (!(error instanceof FezzError)) throw error
    throw new FezzError(error.code, `${folder}: ${error.message}`)
  }
}
