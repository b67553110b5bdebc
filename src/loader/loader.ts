import { resolve } from 'node:path'
import { FezzError } from '../errors.ts'
import type { Manifest } from '../function/manifest.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { ArtifactCode } from './artifact.ts'
import type { Bundle } from './bundle.ts'
import { ArtifactCache, type CachedBuild } from './cache.ts'
import { type Entry, findEntries } from './discover.ts'
import { type InputStamp, isInstalled, stampConfigFiles } from './inputs.ts'
import { ManifestReader } from './read-manifest.ts'

export interface LoaderOptions {
  /** Folder for what is built; made when it is missing. May be shared by processes. */
  readonly cacheDir: string
  readonly log: Logger
  /** How long a module may take to evaluate when its manifest is read. Default 5,000. */
  readonly manifestDeadlineMs?: number
}

/** A function with its checked manifest, ready to be deployed. */
export interface LoadedFunction {
  readonly manifest: Manifest
  readonly code: ArtifactCode
}

export interface LoadResult {
  /** In the order of the paths and, within a folder, of the files' names. */
  readonly functions: readonly LoadedFunction[]
  /** `BUILD_FAILED` or `INVALID_MANIFEST`, one for each file that does not work. */
  readonly errors: readonly FezzError[]
  /** The files that had to be built; the others came from the cache. */
  readonly built: readonly string[]
}

/** Builds at once; more of them take more memory, not less time. */
const MAX_BUILDS = 8

/**
 * Turns source files into functions that can be deployed, out of the cache where it can. The code
 * of a function is not run here: only a new bundle is evaluated once, in a thread, for its manifest.
 */
export class Loader {
  readonly #cache: ArtifactCache
  readonly #log: Logger
  readonly #manifestDeadlineMs: number | undefined
  #watchList: ReadonlyMap<string, readonly string[]> = new Map()

  constructor({ cacheDir, log, manifestDeadlineMs }: LoaderOptions) {
    this.#cache = new ArtifactCache(resolve(cacheDir))
    this.#log = log
    this.#manifestDeadlineMs = manifestDeadlineMs
  }

  /**
   * What the last {@link load} has read, by entry file: sources, and the package.json and
   * tsconfig.json that steer them, also those that do not exist yet. Installed packages are left out.
   */
  get watchList(): ReadonlyMap<string, readonly string[]> {
    return this.#watchList
  }

  /**
   * Loads every function behind the paths. What is wrong with one file does not hide the others.
   *
   * @param paths files and folders, see {@link findEntries}
   */
  async load(paths: readonly string[]): Promise<LoadResult> {
    const errors: FezzError[] = []
    const entries = await this.#entriesOf(paths, errors)
    await using reader = new ManifestReader(
      this.#manifestDeadlineMs === undefined ? {} : { deadlineMs: this.#manifestDeadlineMs },
    )
    const outcomes = await mapLimited(entries, MAX_BUILDS, entry => this.#load(entry, reader))
    this.#watchList = new Map(outcomes.map(({ entry, inputs }) => [entry.file, watched(inputs)]))
    for (const { error } of outcomes) if (error !== undefined) errors.push(error)
    return {
      functions: withoutDuplicates(
        outcomes.flatMap(outcome => outcome.functions),
        errors,
      ),
      errors,
      built: outcomes.filter(outcome => outcome.built).map(({ entry }) => entry.file),
    }
  }

  async #entriesOf(paths: readonly string[], errors: FezzError[]): Promise<Entry[]> {
    const entries = new Map<string, Entry>()
    for (const path of paths) {
      try {
        for (const entry of await findEntries(path)) entries.set(entry.file, entry)
      } catch (error) {
        errors.push(asFezzError(error, resolve(path)))
      }
    }
    return [...entries.values()]
  }

  async #load(entry: Entry, reader: ManifestReader): Promise<Outcome> {
    const cached = await this.#cache.find(entry)
    if (cached !== undefined) {
      const inputs = cached.inputs.map(input => input.path)
      return { entry, inputs, functions: functionsOf(entry, cached), built: false }
    }
    const stamps = new Map<string, InputStamp>()
    try {
      const functions = functionsOf(entry, await this.#build(entry, stamps, reader))
      return { entry, inputs: [...stamps.keys()], functions, built: true }
    } catch (cause) {
      const error = asFezzError(cause, entry.file)
      return { entry, inputs: [entry.file, ...stamps.keys()], functions: [], built: true, error }
    }
  }

  async #build(
    entry: Entry,
    stamps: Map<string, InputStamp>,
    reader: ManifestReader,
  ): Promise<CachedBuild> {
    const { code, map, warnings } = await bundleStamped(entry, stamps)
    for (const warning of warnings) this.#log.warn({ file: entry.file }, warning)
    const artifact = await this.#cache.store(code, map)
    let functions = await this.#cache.findFunctions(artifact)
    if (functions === undefined) {
      const { folder } = artifact
      functions = await reader.read({ code: { folder, entry: entry.file }, name: entry.name })
      await this.#cache.storeFunctions(artifact, functions)
    }
    const inputs = [...stamps.values()]
    await this.#cache.link(entry, artifact, inputs)
    return { artifact, functions, inputs }
  }
}

/** What became of one entry. */
interface Outcome {
  readonly entry: Entry
  /** Paths; also of what a failed build has read. */
  readonly inputs: readonly string[]
  readonly functions: readonly LoadedFunction[]
  readonly built: boolean
  readonly error?: FezzError
}

async function bundleStamped(entry: Entry, stamps: Map<string, InputStamp>): Promise<Bundle> {
  const startedMs = Date.now()
  // Loaded here alone: a start that finds everything in the cache does not pay for the bundler.
  const { bundle } = await import('./bundle.ts')
  try {
    return await bundle(entry.file, entry.name, stamps)
  } finally {
    for (const stamp of await stampConfigFiles([...stamps.keys()], startedMs)) {
      stamps.set(stamp.path, stamp)
    }
  }
}

function functionsOf({ file }: Entry, { artifact, functions }: CachedBuild): LoadedFunction[] {
  return functions.map(({ exportName, manifest }) => ({
    manifest,
    code: { kind: 'artifact', ...artifact, exportName, entry: file },
  }))
}

function watched(inputs: readonly string[]): string[] {
  return [...new Set(inputs)].filter(path => !isInstalled(path))
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
    const message = `${found.code.entry}: the id "${id}" is taken by ${first.code.entry}; rename one`
    errors.push(new FezzError('INVALID_MANIFEST', message))
  }
  return [...byId.values()]
}

function asFezzError(error: unknown, file: string): FezzError {
  if (error instanceof FezzError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new FezzError('BUILD_FAILED', `${file}: ${message}`, { cause: error })
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
