import { mkdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { FezzError } from '../errors.ts'
import type { FoundFunction } from '../function/declared.ts'
import { version } from '../telemetry/version.ts'
import { BUNDLE_FILE, MANIFEST_FILE, MAP_FILE, writeAtomically } from './artifact.ts'
import type { Entry } from './discover.ts'
import { type InputStamp, renewStamps, sha256Of } from './inputs.ts'

/** Raised when bundles are made or kept in another way: what was cached before no longer counts. */
const FORMAT = 2

/** Everything but the sources that a build depends on. */
const BUILDER = [FORMAT, version, process.versions.node.split('.')[0]].join(' ')

/** A bundle on the disk. */
export interface Artifact {
  /** Hex sha256 of bundle.cjs. */
  readonly sha256: string
  readonly folder: string
}

/** A build that still holds. */
export interface CachedBuild {
  readonly artifact: Artifact
  readonly functions: readonly FoundFunction[]
  readonly inputs: readonly InputStamp[]
}

/** File of the index: which artifact an entry became, out of which inputs. */
interface IndexRecord {
  readonly sha256: string
  readonly inputs: readonly InputStamp[]
}

/** Content of manifest.json. */
interface ManifestRecord {
  readonly builder: string
  readonly functions: readonly FoundFunction[]
}

/**
 * Builds on the disk: `artifacts/<sha256>/` holds bundle.cjs, bundle.cjs.map and manifest.json, and
 * `index/` tells what each entry became. Any number of processes may share it. What is damaged
 * counts as absent.
 */
export class ArtifactCache {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  /** The build of an entry, if none of its inputs has changed since. */
  async find(entry: Entry): Promise<CachedBuild | undefined> {
    try {
      const path = this.#indexFile(entry)
      const record = await readJson<IndexRecord>(path)
      const artifact = this.#artifact(record.sha256)
      const [inputs, functions, bundle, map] = await Promise.all([
        renewStamps(record.inputs),
        this.findFunctions(artifact),
        readFile(join(artifact.folder, BUNDLE_FILE), 'utf8'),
        stat(join(artifact.folder, MAP_FILE)),
      ])
      if (inputs === undefined || functions === undefined) return undefined
      if (sha256Of(bundle) !== record.sha256 || map.size === 0) return undefined
      if (inputs.some((input, index) => input !== record.inputs[index])) {
        await this.#write(path, { ...record, inputs })
      }
      return { artifact, functions, inputs }
    } catch {
      return undefined
    }
  }

  /** Keeps a bundle. @throws FezzError `BUILD_FAILED` when the folder cannot be written */
  async store(code: string, map: string): Promise<Artifact> {
    const artifact = this.#artifact(sha256Of(code))
    try {
      await mkdir(artifact.folder, { recursive: true })
      await Promise.all([
        writeAtomically(join(artifact.folder, BUNDLE_FILE), code),
        writeAtomically(join(artifact.folder, MAP_FILE), map),
      ])
    } catch (cause) {
      const { code: reason } = cause as NodeJS.ErrnoException
      throw new FezzError(
        'BUILD_FAILED',
        `the cache folder ${this.#folder} cannot be written (${reason}); choose another --cache-dir`,
        { cause },
      )
    }
    return artifact
  }

  /** What manifest.json says, if this Fezz has written it. */
  async findFunctions(artifact: Artifact): Promise<readonly FoundFunction[] | undefined> {
    try {
      const record = await readJson<ManifestRecord>(join(artifact.folder, MANIFEST_FILE))
      return record.builder === BUILDER ? record.functions : undefined
    } catch {
      return undefined
    }
  }

  /** Completes an artifact with its functions. */
  async storeFunctions(artifact: Artifact, functions: readonly FoundFunction[]): Promise<void> {
    const record: ManifestRecord = { builder: BUILDER, functions }
    await this.#write(join(artifact.folder, MANIFEST_FILE), record)
  }

  /** Notes what an entry became, so that {@link find} finds it. To be called last. */
  async link(entry: Entry, artifact: Artifact, inputs: readonly InputStamp[]): Promise<void> {
    const record: IndexRecord = { sha256: artifact.sha256, inputs }
    await mkdir(join(this.#folder, 'index'), { recursive: true })
    await this.#write(this.#indexFile(entry), record)
  }

  #artifact(sha256: string): Artifact {
    return { sha256, folder: join(this.#folder, 'artifacts', sha256) }
  }

  #indexFile({ file, name }: Entry): string {
    return join(this.#folder, 'index', `${sha256Of(JSON.stringify([BUILDER, file, name]))}.json`)
  }

  #write(path: string, record: IndexRecord | ManifestRecord): Promise<void> {
    return writeAtomically(path, `${JSON.stringify(record)}\n`)
  }
}

async function readJson<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(path, 'utf8')) as T
}
