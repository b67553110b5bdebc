import { readdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { FezzError } from '../../errors.ts'
import { hasMarker, type Runtime, readRuntime } from './runtime.ts'

/** Fezz's own, wherever this file was bundled to. */
const FOLDER = join(
  dirname(createRequire(import.meta.url).resolve('fezz/package.json')),
  'runtimes',
)

/** The runtimes there are: each folder of `runtimes/` is one. Read when first asked for. */
export class Runtimes {
  readonly #folder: string
  #all: Promise<readonly Runtime[]> | undefined

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
    const all = await this.#load()
    const marked = await Promise.all(all.map(({ markers }) => hasMarker(folder, markers)))
    return marked.includes(true)
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

  async #read(): Promise<readonly Runtime[]> {
    const entries = await readdir(this.#folder, { withFileTypes: true })
    const names = entries.filter(entry => entry.isDirectory()).map(entry => entry.name)
    return Promise.all(names.sort().map(name => readRuntime(join(this.#folder, name), name)))
  }
}
