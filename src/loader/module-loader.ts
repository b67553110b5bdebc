import type { FoundFunction } from '../function/declared.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Bundle } from './bundle.ts'
import type { ArtifactCache, CachedBuild } from './cache.ts'
import type { Entry } from './discover.ts'
import { type InputStamp, isInstalled, stampConfigFiles } from './inputs.ts'
import { asFezzError, type LoadedFunction, type Outcome } from './loaded-function.ts'
import type { ManifestReader } from './read-manifest.ts'

/**
 * Says what the functions of a source file are, in place of what it declares itself.
 *
 * @throws FezzError `INVALID_MANIFEST`
 */
export type Redeclare = (
  entry: Entry,
  functions: readonly FoundFunction[],
) => readonly FoundFunction[]

/** Turns source files into functions, out of the cache where it can. */
export class ModuleLoader {
  readonly #cache: ArtifactCache
  readonly #log: Logger

  constructor(cache: ArtifactCache, log: Logger) {
    this.#cache = cache
    this.#log = log
  }

  /** Never rejects: what is wrong with one file must not hide the others. */
  async load(entry: Entry, reader: ManifestReader, redeclare?: Redeclare): Promise<Outcome> {
    const origin = entry.file
    const cached = await this.#cache.find(entry)
    const stamps = new Map<string, InputStamp>()
    try {
      const build = cached ?? (await this.#build(entry, stamps, reader))
      const inputs = watched(build.inputs.map(input => input.path))
      return { origin, inputs, functions: functionsOf(entry, build, redeclare), built: !cached }
    } catch (cause) {
      const error = asFezzError(cause, origin)
      const read = cached === undefined ? stamps.keys() : cached.inputs.map(({ path }) => path)
      return { origin, inputs: watched([origin, ...read]), functions: [], built: true, error }
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

function functionsOf(
  entry: Entry,
  { artifact, functions }: CachedBuild,
  redeclare: Redeclare | undefined,
): LoadedFunction[] {
  const declared = redeclare === undefined ? functions : redeclare(entry, functions)
  return declared.map(({ exportName, manifest }) => ({
    manifest,
    code: { kind: 'artifact', ...artifact, exportName, entry: entry.file },
    origin: entry.file,
  }))
}

function watched(inputs: readonly string[]): string[] {
  return [...new Set(inputs)].filter(path => !isInstalled(path))
}
