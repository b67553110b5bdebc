import { FezzError } from '../errors.ts'
import type { Loader } from '../loader/loader.ts'
import type { HostServer } from '../runtime/host-server.ts'

/** Why a file, or a version of a function, is not served. */
export interface ServeFailure {
  readonly functionId?: string
  readonly error: unknown
}

/** Function files on disk, kept the same as the functions that a server serves. */
export class ServedFiles {
  readonly paths: readonly string[]
  readonly #loader: Loader
  readonly #server: HostServer
  /** Which file or folder each function came from. */
  #origins: ReadonlyMap<string, string> = new Map()
  #last: Promise<unknown> = Promise.resolve()

  constructor(paths: readonly string[], loader: Loader, server: HostServer) {
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
   * not load, is a failure, and what it was before goes on serving. Calls are served one by one.
   */
  refresh(): Promise<readonly ServeFailure[]> {
    const refreshed = this.#last.then(() => this.#refresh())
    this.#last = refreshed.catch(() => {})
    return refreshed
  }

  /** Writes each of `failures` into the server's log. */
  log(failures: readonly ServeFailure[]): void {
    const { log } = this.#server
    for (const { error, ...fields } of failures) {
      if (error instanceof FezzError && error.code !== 'FUNCTION_LOAD_FAILED') {
        log.error({ ...fields, code: error.code }, error.message)
      } else {
        log.error({ ...fields, err: error }, 'the new version was refused; the old one serves on')
      }
    }
  }

  async #refresh(): Promise<readonly ServeFailure[]> {
    const { functions, errors } = await this.#loader.load(this.paths)
    const origins = new Map(functions.map(({ manifest, origin }) => [manifest.id, origin]))
    const building = new Set(origins.values())
    const remove: string[] = []
    for (const [id, file] of this.#origins) {
      if (origins.has(id)) continue
      if (building.has(file) || !this.#loader.watchList.has(file)) remove.push(id)
      else origins.set(id, file)
    }
    this.#origins = origins
    const failures = await this.#server.deploy({ set: functions, remove })
    return [
      ...errors.map(error => ({ error })),
      ...failures.map(({ id, error }) => ({ functionId: id, error })),
    ]
  }
}
