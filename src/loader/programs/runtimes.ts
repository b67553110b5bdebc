import { readdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { FezzError } from '../../errors.ts'
import { hasMarker, type Marker, RUNTIME_FILE } from './markers.ts'
import type { Runtime } from './runtime.ts'

/** Fezz's own, wherever this file was bundled to. */
const FOLDER = join(
  dirname(createRequire(import.meta.url).resolve('fezz/package.json')),
  'runtimes',
)

/** The runtimes there are: each folder of `runtimes/` is one. Read when first asked for. */
export class Runtimes {
  readonly #folder: string
  #all: Promise<readonly Runtime[]> | undefined
  #markers: Promise<readonly Marker[]> | undefined

  /** @param folder default: the one that Fezz comes with */
  constructor(folder: string = FOLDER) {
    this.#folder = folder
  }

  /** @throws FezzError `BUILD_FAILED` when there is none of this name; names those there are */
  async get(name: string): Promise<Runtime> {
    const all = await this.#load()
    const found = all.find(runtime => runtime.name === name)
    if (found !== undefined) return found
    throw new FezzError(
      'BUILD_FAILED',
      `runtime "${name}" is not known; there are ${all.map(runtime => runtime.name).join(', ')}`,
    )
  }

  /** Whether the files of a folder make a function of it, without being told that it is one. */
  async isProgram(folder: string): Promise<boolean> {
    this.#markers ??= this.#readMarkers()
    return hasMarker(folder, await this.#markers)
  }

  /**
   * The runtime that the files of a folder tell.
   *
   * @returns `undefined` when they tell none
   * @throws FezzError `BUILD_FAILED` when they tell two
   */
  async tell(folder: string): Promise<Runtime | undefined> {
    const all = await this.#load()
    for (const kind of ['markers', 'weakMarkers'] as const) {
      const marked = await Promise.all(all.map(runtime => hasMarker(folder, runtime[kind])))
      const [found, other] = all.filter((_, index) => marked[index])
      if (found === undefined) continue
      if (other === undefined) return found
      throw new FezzError(
        'BUILD_FAILED',
        `it looks like ${found.name} and like ${other.name}; write { "runtime": "${found.name}" } into its fezz.json`,
      )
    }
    return undefined
  }

  #load(): Promise<readonly Runtime[]> {
    this.#all ??= this.#read()
    return this.#all
  }

  /** Every start asks, and few go on to use a runtime: the schema of the whole is left to those. */
  async #readMarkers(): Promise<readonly Marker[]> {
    try {
      const files = (await this.#names()).map(name => join(this.#folder, name, RUNTIME_FILE))
      const texts = await Promise.all(files.map(file => readFile(file, 'utf8')))
      return texts.flatMap(text => JSON.parse(text).markers ?? []).map(markerOf)
    } catch {
      // What is wrong is told by who looks at all of it.
      return (await this.#load()).flatMap(({ markers }) => markers)
    }
  }

  async #read(): Promise<readonly Runtime[]> {
    const { readRuntime } = await import('./runtime.ts')
    const names = await this.#names()
    return Promise.all(names.map(name => readRuntime(join(this.#folder, name), name)))
  }

  async #names(): Promise<string[]> {
    const entries = await readdir(this.#folder, { withFileTypes: true })
    return entries.flatMap(entry => (entry.isDirectory() ? entry.name : [])).sort()
  }
}

function markerOf(input: unknown): Marker {
  const marker = typeof input === 'string' ? { file: input } : (input as Marker)
  if (typeof marker.file !== 'string') throw new TypeError('a marker names no file')
  return marker
}
