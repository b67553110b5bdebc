import { join } from 'node:path'
import type { Logger } from '../../telemetry/logger.ts'
import { ChangeLog, type LoggedChange } from '../memory/change-log.ts'
import { SortedEntries } from '../memory/sorted-entries.ts'
import type { StoredValue } from '../store.ts'
import { type FileState, isSameState, readSettled, stampOf } from './file-look.ts'
import { keyOf } from './paths.ts'
import { forEachOf } from './walk.ts'

/** A file whose content is known, or is known to be unreadable. */
interface KnownFile {
  readonly state: FileState
  readonly stored?: StoredValue
}

/** A file that was found changed. */
interface FoundChange {
  readonly path: string
  readonly key: string
  /** Absent: the file is gone. */
  readonly read?: { readonly value: string; readonly state: FileState }
}

/** What one process knows of the files of a folder, and in which order it came to know it. */
export class FolderPicture {
  readonly entries = new SortedEntries()
  readonly #root: string
  readonly #log: Logger
  readonly #known = new Map<string, KnownFile>()
  /** Names that are no key's, each reported once. */
  readonly #ignored = new Set<string>()
  #changes: ChangeLog | undefined

  constructor(root: string, log: Logger) {
    this.#root = root
    this.#log = log
  }

  /** Undefined before the first {@link update}. */
  get changes(): ChangeLog | undefined {
    return this.#changes
  }

  get paths(): IterableIterator<string> {
    return this.#known.keys()
  }

  /** What is known of a file in exactly this state. */
  find(path: string, state: FileState): StoredValue | undefined {
    const known = this.#known.get(path)
    return isSameState(known?.state, state) ? known?.stored : undefined
  }

  /**
   * Takes over what was seen of some files: those in `files` are there, those in `gone` are not.
   * Reads only what is not in the state that is known already.
   *
   * @param counted the highest revision that any writer has given out
   * @returns the files that are still being written, and have to be looked at again
   */
  async update(
    files: ReadonlyMap<string, FileState>,
    gone: Iterable<string>,
    counted: number,
  ): Promise<string[]> {
    const found: FoundChange[] = []
    const busy: string[] = []
    const changed: string[] = []
    for (const [path, state] of files) {
      if (!isSameState(this.#known.get(path)?.state, state)) changed.push(path)
    }
    for (const path of gone) {
      if (this.#known.has(path)) found.push({ path, key: keyOf(path) as string })
    }
    await forEachOf(changed, async path => {
      const key = this.#keyOf(path)
      if (key === undefined) return
      try {
        const file = await readSettled(join(this.#root, path))
        if (file === 'busy') busy.push(path)
        else if (file === 'gone') found.push({ path, key })
        else found.push({ path, key, read: { value: file.text, state: file.state } })
      } catch (err) {
        this.#unreadable(path, files.get(path) as FileState, err)
      }
    })
    this.#take(found, counted)
    return busy
  }

  #take(found: readonly FoundChange[], counted: number): void {
    const log = this.#changes
    const next = (log?.revision ?? 0) + 1
    const changes: LoggedChange[] = []
    for (const { path, key, read } of found) {
      if (read === undefined) {
        const { stored } = this.#known.get(path) ?? {}
        this.#known.delete(path)
        if (stored === undefined) continue
        this.entries.delete(key)
        changes.push({ key, revision: next })
      } else {
        // A file that was put back has an old time, but it is there since now.
        const revision = Math.max(stampOf(read.state), next)
        const stored = { value: read.value, revision: String(revision) }
        this.#known.set(path, { state: read.state, stored })
        this.entries.set(key, stored)
        changes.push({ key, stored, revision })
      }
    }
    changes.sort((a, b) => a.revision - b.revision)
    if (log !== undefined) log.add(changes)
    else this.#changes = new ChangeLog(Math.max(counted, 1, changes.at(-1)?.revision ?? 0))
  }

  #keyOf(path: string): string | undefined {
    const key = keyOf(path)
    if (key === undefined && !this.#ignored.has(path)) {
      this.#ignored.add(path)
      this.#log.warn({ folder: this.#root, file: path }, 'left out: no key has a file of this name')
    }
    return key
  }

  /** Its last value stays. */
  #unreadable(path: string, state: FileState, err: unknown): void {
    const { stored } = this.#known.get(path) ?? {}
    this.#known.set(path, { state, ...(stored && { stored }) })
    this.#log.error({ folder: this.#root, file: path, err }, 'a file of the store cannot be read')
  }
}
