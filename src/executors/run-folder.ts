import { chmodSync, lstatSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { FezzError } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import { InstanceFolder, MODE_PASSABLE, MODE_PRIVATE } from './instance-folder.ts'
import { removeTree } from './remove-tree.ts'
import { defaultRunFolder } from './run-base.ts'
import { removeLeftovers } from './run-leftovers.ts'
import { ownName } from './run-owner.ts'

export type { InstanceFolder } from './instance-folder.ts'

/** Of `sun_path` in unix(7), without its final zero. */
const MAX_SOCKET_PATH_BYTES = 107

export interface RunFolderOptions {
  /** Default: {@link defaultRunFolder}. */
  readonly folder?: string
  readonly log: Logger
}

/**
 * Where a host keeps what must not outlive it: sockets, working folders, and a note of each process
 * that it has started. {@link open} ends and removes what hosts left behind that were killed.
 */
export class RunFolder implements AsyncDisposable {
  readonly path: string
  /** Begins the marker of each instance, see {@link INSTANCE_VARIABLE}. */
  readonly id: string
  /** Settles when engines too have done away with what killed hosts left. Never rejects. */
  readonly cleared: Promise<void>
  readonly #closed: AbortController
  readonly #log: Logger
  #count = 0
  #isKept = false
  #closing: Promise<void> | undefined

  private constructor(
    base: string,
    name: string,
    cleared: Promise<void>,
    closed: AbortController,
    log: Logger,
  ) {
    this.id = name
    this.path = join(base, name)
    this.cleared = cleared
    this.#closed = closed
    this.#log = log
  }

  /**
   * @throws FezzError `INVALID_CONFIG` when the folder cannot be made, belongs to somebody else, or
   *   leaves no room for the path of a socket
   */
  static async open(options: RunFolderOptions): Promise<RunFolder> {
    const base = options.folder ?? defaultRunFolder()
    makeBase(base)
    const closed = new AbortController()
    const { rest } = await removeLeftovers(base, options.log, closed.signal)
    const folder = new RunFolder(base, ownName(), rest, closed, options.log)
    const socket = join(folder.path, 'i99999', 'home', 'http.sock')
    if (Buffer.byteLength(socket) > MAX_SOCKET_PATH_BYTES) {
      throw new FezzError(
        'INVALID_CONFIG',
        `the run folder ${base} is too deep for the paths of sockets; choose a shorter runDir`,
      )
    }
    mkdirSync(folder.path, { mode: MODE_PRIVATE })
    return folder
  }

  /** A place for one more instance, empty. */
  instance(): InstanceFolder {
    this.#count++
    return new InstanceFolder(this.path, `i${this.#count}`)
  }

  /** Lets another user reach what is given to it within this folder; what is not stays closed. */
  letThrough(): void {
    chmodSync(join(this.path, '..'), MODE_PASSABLE)
    chmodSync(this.path, MODE_PASSABLE)
  }

  /** Has {@link close} leave it to the next host, because something in it has not ended. */
  keep(): void {
    this.#isKept = true
  }

  /**
   * Removes it; whatever has run in it must have ended, unless it is kept. Idempotent; never rejects.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#closed.abort()
    await this.cleared
    if (this.#isKept) return
    await removeTree(this.path).catch(err => {
      this.#log.warn({ err }, 'the run folder cannot be removed; the next start tries again')
    })
  }
}

function makeBase(base: string): void {
  try {
    mkdirSync(base, { recursive: true, mode: MODE_PRIVATE })
    const found = lstatSync(base)
    // Where everybody may write, somebody else may have been here first.
    if (!found.isDirectory() || (process.getuid?.() ?? found.uid) !== found.uid) {
      throw new FezzError(
        'INVALID_CONFIG',
        `the run folder ${base} belongs to somebody else; choose another runDir`,
      )
    }
    if ((found.mode & 0o066) !== 0) chmodSync(base, MODE_PRIVATE)
  } catch (cause) {
    if (cause instanceof FezzError) throw cause
    const { code } = cause as NodeJS.ErrnoException
    const message = `the run folder ${base} cannot be made (${code}); choose another runDir`
    throw new FezzError('INVALID_CONFIG', message, { cause })
  }
}
