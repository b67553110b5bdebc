import { resolve } from 'node:path'
import { FezzError } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import { ArtifactCache } from './cache.ts'
import { type Found, findFunctions } from './discover.ts'
import type { FolderLoader } from './folder-loader.ts'
import { asFezzError, type LoadedFunction, type Outcome } from './loaded-function.ts'
import { ModuleLoader } from './module-loader.ts'
import { Runtimes } from './programs/runtimes.ts'
import { ManifestReader } from './read-manifest.ts'

export interface LoaderOptions {
  /** Folder for what is built; made when it is missing. May be shared by processes. */
  readonly cacheDir: string
  readonly log: Logger
  /** Folder of runtimes for code in other languages. Default: that of Fezz. */
  readonly runtimesDir?: string
  /** How long a module may take to evaluate when its manifest is read. Default 5,000. */
  readonly manifestDeadlineMs?: number
}

export type { LoadedFunction } from './loaded-function.ts'

export interface LoadResult {
  /** In the order of the paths and, within a folder, of the files' names. */
  readonly functions: readonly LoadedFunction[]
  /** `BUILD_FAILED` or `INVALID_MANIFEST`, one for each file that does not work. */
  readonly errors: readonly FezzError[]
  /** Files and folders that had to be built; the others came from the cache. */
  readonly built: readonly string[]
}

/** Builds at once; more of them take more memory, not less time. */
const MAX_BUILDS = 8

/**
 * Turns what is in files and folders into functions that can be deployed, out of the cache where it
 * can. The code of a function is not run here: only a new bundle is evaluated once, in a thread, for
 * its manifest.
 */
export class Loader {
  readonly #cacheDir: string
  readonly #runtimes: Runtimes
  readonly #modules: ModuleLoader
  readonly #manifestDeadlineMs: number | undefined
  readonly #log: Logger
  #folders: Promise<FolderLoader> | undefined
  #watchList: ReadonlyMap<string, readonly string[]> = new Map()
  /** What each path of the last {@link load} has led to. */
  #found: ReadonlyMap<string, readonly Found[]> = new Map()

  constructor({ cacheDir, log, runtimesDir, manifestDeadlineMs }: LoaderOptions) {
    this.#cacheDir = resolve(cacheDir)
    this.#runtimes = new Runtimes(runtimesDir)
    this.#modules = new ModuleLoader(new ArtifactCache(this.#cacheDir), log)
    this.#manifestDeadlineMs = manifestDeadlineMs
    this.#log = log
  }

  /**
   * What the last {@link load} has read, by what it is of, a source file or a folder: sources, and
   * the files that steer their build, also those that do not exist yet. Installed packages are left
   * out.
   */
  get watchList(): ReadonlyMap<string, readonly string[]> {
    return this.#watchList
  }

  /**
   * Loads every function behind the paths. What is wrong with one file does not hide the others, and
   * a folder that cannot be read for now is taken to have what it had at the last call.
   *
   * @param paths files and folders, see {@link findFunctions}
   */
  async load(paths: readonly string[]): Promise<LoadResult> {
    const errors: FezzError[] = []
    const found = await this.#find(paths, errors)
    await using reader = new ManifestReader(
      this.#manifestDeadlineMs === undefined ? {} : { deadlineMs: this.#manifestDeadlineMs },
    )
    const outcomes = await mapLimited(found, MAX_BUILDS, one => this.#load(one, reader))
    this.#watchList = new Map(outcomes.map(({ origin, inputs }) => [origin, inputs]))
    for (const { error } of outcomes) if (error !== undefined) errors.push(error)
    return {
      functions: withoutDuplicates(
        outcomes.flatMap(outcome => outcome.functions),
        errors,
      ),
      errors,
      built: outcomes.filter(outcome => outcome.built).map(({ origin }) => origin),
    }
  }

  async #find(paths: readonly string[], errors: FezzError[]): Promise<Found[]> {
    const byPath = new Map<string, readonly Found[]>()
    for (const path of paths) {
      try {
        byPath.set(path, await findFunctions(path, this.#runtimes))
      } catch (error) {
        // Not to be able to look, as with no file descriptor left, does not tell that there is nothing.
        const isKnown = error instanceof FezzError
        byPath.set(path, isKnown ? [] : (this.#found.get(path) ?? []))
        errors.push(asFezzError(error, resolve(path)))
      }
    }
    this.#found = byPath
    return [...new Map([...byPath.values()].flat().map(found => [found.file, found])).values()]
  }

  async #load(found: Found, reader: ManifestReader): Promise<Outcome> {
    if (found.kind === 'source') return this.#modules.load(found, reader)
    this.#folders ??= this.#createFolderLoader()
    const folders = await this.#folders
    return folders.load(found, (entry, redeclare) => this.#modules.load(entry, reader, redeclare))
  }

  /** Loaded here alone: who serves source files does not pay for what builds programs. */
  async #createFolderLoader(): Promise<FolderLoader> {
    const { FolderLoader } = await import('./folder-loader.ts')
    return new FolderLoader(this.#cacheDir, this.#runtimes, this.#log)
  }
}

function withoutDuplicates(
  functions: readonly LoadedFunction[],
  errors: FezzError[],
): LoadedFunction[] {
  const byId = new Map<string, LoadedFunction>()
  for (const found of functions) {
    const { id } = found.manifest
    const first = byId.get(id)
    if (first === undefined) {
      byId.set(id, found)
      continue
    }
    const message = `${found.origin}: the id "${id}" is taken by ${first.origin}; rename one`
    errors.push(new FezzError('INVALID_MANIFEST', message))
  }
  return [...byId.values()]
}

/** Like `Promise.all` over `map`, with at most `limit` of them at a time. */
async function mapLimited<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  const queue = items.entries()
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) results[index] = await work(item)
  }
  await Promise.all(Array.from({ length: limit }, worker))
  return results
}
