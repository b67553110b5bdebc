import { FezzError } from '../errors.ts'
import type { Code } from '../function/contract.ts'
import { imageCodeOf } from '../function/image-code.ts'
import type { PlacementTarget } from '../function/placement.ts'
import type { Steps } from '../routing/slices.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Deployable } from './deployment-target.ts'
import { FunctionEntries, type FunctionEvent } from './function-entries.ts'
import type { ArtifactReference, FunctionEntry } from './function-entry.ts'
import { FUNCTIONS } from './keys.ts'
import type { Revision, StoredValue, StoreEvent } from './store.ts'

export interface DesiredOptions {
  readonly node: PlacementTarget
  readonly codeOf: (reference: ArtifactReference) => Code
  readonly log: Logger
  /** Called with what is to run on this node, `undefined`: nothing, for each function that changes. */
  readonly want: (id: string, wanted: Deployable | undefined) => void
  /** Called for each function that changes and is placed on other nodes only. */
  readonly leave: (id: string) => void
}

/** What a node should run, from what the store says: entries parsed, placed, and given their code. */
export class DesiredFunctions {
  readonly #options: DesiredOptions
  readonly #functions = new FunctionEntries()
  readonly #good = new Map<string, StoredValue>()
  #revision: Revision = '0'
  /** Of entries placed here that have no code to run, by id. */
  readonly #lacking = new Map<string, string>()

  constructor(options: DesiredOptions) {
    this.#options = options
  }

  /** Entries of all nodes, by key, each as it was when it was last good. */
  get good(): ReadonlyMap<string, StoredValue> {
    return this.#good
  }

  /** Of the last changes taken. */
  get revision(): Revision {
    return this.#revision
  }

  /** What is wrong with entries, by the function's id. */
  *problems(): Generator<[id: string, message: string]> {
    for (const [id, error] of this.#functions.rejected) yield [id, error.message]
    for (const [id, message] of this.#lacking) {
      if (!this.#functions.rejected.has(id)) yield [id, message]
    }
  }

  /** Takes changes of the store up to `revision`. */
  *takeInSteps(events: readonly StoreEvent[], revision: Revision): Steps<void> {
    const changes = yield* this.#functions.applyInSteps(events)
    for (const change of changes) {
      this.#tell(change)
      yield
    }
    // Without a pause: a snapshot shows the entries of one revision.
    for (const { key, stored } of events) {
      if (stored === undefined) this.#good.delete(key)
      else if (this.#isGood(key)) this.#good.set(key, stored)
    }
    this.#revision = revision
  }

  #isGood(key: string): boolean {
    const id = key.slice(FUNCTIONS.length)
    return !this.#functions.rejected.has(id) && !this.#lacking.has(id)
  }

  #tell(event: FunctionEvent): void {
    if (event.type === 'Rejected') {
      this.#options.log.warn(
        { functionId: event.id, err: event.error },
        'an entry of the store is wrong; its last good version stays, if there was one',
      )
    } else if (event.type === 'Removed') {
      this.#lacking.delete(event.id)
      this.#options.want(event.id, undefined)
    } else if (event.entry.isPlacedOn(this.#options.node)) {
      this.#place(event.entry)
    } else {
      this.#lacking.delete(event.entry.id)
      this.#options.leave(event.entry.id)
    }
  }

  #place({ id, manifest, code }: FunctionEntry): void {
    const { codeOf, want, log } = this.#options
    try {
      const found = code === undefined ? imageCodeOf(manifest.execution) : codeOf(code)
      if (found === undefined) throw noCode(id)
      want(id, { manifest, code: found })
      this.#lacking.delete(id)
    } catch (error) {
      const message = error instanceof FezzError ? error.message : 'its artifact cannot be used'
      this.#lacking.set(id, message)
      log.warn(
        { functionId: id, err: error },
        'an entry of the store cannot be run; its last good version stays, if there was one',
      )
    }
  }
}

function noCode(id: string): FezzError {
  return new FezzError(
    'INVALID_ENTRY',
    `function "${id}" has no artifact and no image; fezz apply makes an artifact`,
  )
}
