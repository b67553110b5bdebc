import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Deployable, DeploymentTarget } from '../../src/control-plane/deployment-target.ts'
import { FUNCTIONS } from '../../src/control-plane/keys.ts'
import { Reconciler, type ReconcilerOptions } from '../../src/control-plane/reconciler.ts'
import { FezzError } from '../../src/errors.ts'
import type { Code } from '../../src/function/contract.ts'
import { FakeClock, settled } from '../helpers/fake-clock.ts'
import { watch } from '../helpers/watch.ts'
import { RecordedLog } from './recorded-log.ts'
import { SwitchedStore } from './switched-store.ts'

/** What stands in the store for one version of a function. */
export function entryOf(version: string, more: object = {}): string {
  return JSON.stringify({
    manifest: { version, path: `/${version}` },
    code: { sha256: 'ab'.repeat(32) },
    ...more,
  })
}

/**
 * A host: a deploy is in force as a whole once its slow versions are loaded, except for functions
 * that a later one was told about. Versions are written `id@version`.
 */
class FakeHost implements DeploymentTarget {
  readonly running = new Map<string, string>()
  /** All deploys, such as `a@1 b@2 -c`. */
  readonly deploys: string[] = []
  readonly failing = new Set<string>()
  /** Sends that failed, as `number of the deploy: id@version`. */
  readonly failed = new Set<string>()
  /** Whole deploys fail. */
  isBroken = false
  inFlight = 0
  readonly #gates = new Map<string, PromiseWithResolvers<void>>()
  readonly #latest = new Map<string, number>()

  async deploy({ set = [], remove = [] }: Parameters<DeploymentTarget['deploy']>[0]) {
    const number = this.deploys.push([...set.map(nameOf), ...remove.map(id => `-${id}`)].join(' '))
    if (this.isBroken) {
      for (const name of this.deploys[number - 1]?.split(' ') ?? []) {
        this.failed.add(`${number}: ${name}`)
      }
      throw new Error('broken host')
    }
    for (const id of [...set.map(({ manifest }) => manifest.id), ...remove]) {
      this.#latest.set(id, number)
    }
    this.inFlight++
    await Promise.all(set.map(deployable => this.#gates.get(nameOf(deployable))?.promise))
    this.inFlight--
    const isLatest = (id: string) => this.#latest.get(id) === number
    const current = set.filter(({ manifest }) => isLatest(manifest.id))
    const failed = current.filter(deployable => this.failing.has(nameOf(deployable)))
    for (const { manifest } of current.filter(one => !failed.includes(one))) {
      this.running.set(manifest.id, manifest.version)
    }
    for (const id of remove.filter(isLatest)) this.running.delete(id)
    for (const one of failed) this.failed.add(`${number}: ${nameOf(one)}`)
    return failed.map(one => ({
      id: one.manifest.id,
      error: new FezzError('FUNCTION_LOAD_FAILED', `${nameOf(one)} could not be loaded`),
    }))
  }

  /** Deploys since the last call. */
  told(): string[] {
    return this.deploys.splice(0)
  }

  /** Functions that were sent twice in a row with the same content although it had not failed. */
  get doubled(): string[] {
    const last = new Map<string, [name: string, number: number]>()
    const doubled: string[] = []
    for (const [index, deploy] of this.deploys.entries()) {
      for (const name of deploy.split(' ')) {
        const id = name.replace(/^-|@.*/g, '')
        const [before, number] = last.get(id) ?? []
        if (before === name && !this.failed.has(`${number}: ${name}`)) doubled.push(name)
        last.set(id, [name, index + 1])
      }
    }
    return doubled
  }

  /** Lets all that load slowly end. */
  hurry(): void {
    for (const gate of this.#gates.values()) gate.resolve()
    this.#gates.clear()
  }

  /** Loading such a version takes until the returned function is called. */
  slow(name: string): () => void {
    const gate = this.#gates.get(name) ?? Promise.withResolvers<void>()
    this.#gates.set(name, gate)
    return () => {
      this.#gates.delete(name)
      gate.resolve()
    }
  }
}

function nameOf({ manifest }: Deployable): string {
  return `${manifest.id}@${manifest.version}`
}

function codeOf(reference: { sha256: string; exportName: string }): Code {
  return { kind: 'artifact', folder: '/artifacts', entry: '', ...reference }
}

/** A store and hosts that follow it. */
export class ReconcilerWorld implements AsyncDisposable {
  readonly clock = new FakeClock()
  readonly store = new SwitchedStore()
  host = new FakeHost()
  log = new RecordedLog()
  /** How often the host has said that its status is another. */
  applied = 0
  #folder: string | undefined
  readonly #opened: Reconciler[] = []

  /** With a snapshot file. */
  static async withSnapshot(): Promise<ReconcilerWorld> {
    const world = new ReconcilerWorld()
    world.#folder = await mkdtemp(join(tmpdir(), 'fezz-reconciler-'))
    return world
  }

  get snapshotFile(): string | undefined {
    return this.#folder && join(this.#folder, 'snapshot.jsonl')
  }

  /** A host that knows nothing yet, but for the snapshot of the one before. */
  open(options: Partial<ReconcilerOptions> = {}): Reconciler {
    this.host = new FakeHost()
    this.log = new RecordedLog()
    const reconciler = new Reconciler({
      store: this.store,
      node: { id: 'node-1', labels: { disk: 'ssd' } },
      target: this.host,
      codeOf,
      storeLabel: 'memory:',
      log: this.log,
      clock: this.clock,
      random: () => 0,
      onApplied: () => this.applied++,
      ...(this.snapshotFile && { snapshotFile: this.snapshotFile }),
      ...options,
    })
    this.#opened.push(reconciler)
    return reconciler
  }

  /** One that has started, and what it was told at the start forgotten. */
  async started(options: Partial<ReconcilerOptions> = {}): Promise<Reconciler> {
    const reconciler = this.open(options)
    await this.start(reconciler)
    this.host.told()
    return reconciler
  }

  /** Lets time pass until it has started: reading a snapshot takes real time. */
  async start(reconciler: Reconciler): Promise<'store' | 'snapshot'> {
    const starting = watch(reconciler.start())
    await this.until(() => starting.state !== 'waiting', 50)
    if (starting.state !== 'fulfilled') throw starting.error ?? new Error('still starting')
    return starting.value as 'store' | 'snapshot'
  }

  /** Waits for what takes real time, such as files; meanwhile `stepMs` pass again and again. */
  async until(isSo: () => boolean, stepMs = 0): Promise<void> {
    const deadline = performance.now() + 10_000
    while (!isSo()) {
      if (performance.now() > deadline) throw new Error(`not within 10 s: ${isSo}`)
      await this.clock.advance(stepMs)
    }
  }

  put(id: string, version: string, more?: object): Promise<string> {
    return this.store.store.put(FUNCTIONS + id, entryOf(version, more))
  }

  putText(id: string, text: string): Promise<string> {
    return this.store.store.put(FUNCTIONS + id, text)
  }

  delete(id: string): Promise<boolean> {
    return this.store.store.delete(FUNCTIONS + id)
  }

  /** The store loses all it had, and counts from the beginning. */
  wipe(): void {
    this.store.cut()
    this.store.store = new SwitchedStore().store
    this.store.mend()
  }

  /** Lets what is on its way arrive: one quiet time of the debounce. */
  async arrive(): Promise<void> {
    await settled()
    await this.clock.advance(5)
  }

  get running(): Record<string, string> {
    return Object.fromEntries([...this.host.running].sort())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const reconciler of this.#opened) await reconciler.close()
    if (this.#folder) await rm(this.#folder, { recursive: true, force: true })
  }
}
