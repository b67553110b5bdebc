import type { Loader } from '../loader/loader.ts'
import type { HhrfServer } from '../runtime/server.ts'

/** Function files on disk, kept the same as the functions that a server serves. */
export class ServedFiles {
  readonly paths: readonly string[]
  readonly #loader: Loader
  readonly #server: HhrfServer
  /** Which file each function came from. */
  #origins: ReadonlyMap<string, string> = new Map()
  #last: Promise<void> = Promise.resolve()

  constructor(paths: readonly string[], loader: Loader, server: HhrfServer) {
    this.paths = paths
    this.#loader = loader
    this.#server = server
  }

  /** The files that matter, found so far: sources and what steers their build. */
  get inputs(): Iterable<string> {
    return new Set([...this.#loader.watchList.values()].flat())
  }

  /**
   * Brings the server up to date with the files. A file that does not build, and a version that does
   * not load, is reported, and what it was before goes on serving. Calls are served one by one.
   */
  refresh(): Promise<void> {
    this.#last = this.#last.then(() => this.#refresh())
    return this.#last
  }

  async #refresh(): Promise<void> {
    const { log } = this.#server
    const { functions, errors } = await this.#loader.load(this.paths)
    for (const error of errors) log.error({ code: error.code }, error.message)
    const origins = new Map(functions.map(({ manifest, code }) => [manifest.id, code.entry]))
    const building = new Set(origins.values())
    const remove: string[] = []
    for (const [id, file] of this.#origins) {
      if (origins.has(id)) continue
      if (building.has(file) || !this.#loader.watchList.has(file)) remove.push(id)
      else origins.set(id, file)
    }
    this.#origins = origins
    const failures = await this.#server.deploy({ set: functions, remove })
    for (const { id, error } of failures) {
      log.error(
        { functionId: id, err: error },
        'the new version was refused; the old one serves on',
      )
    }
  }
}
