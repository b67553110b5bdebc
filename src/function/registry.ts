import type { Clock, Timer } from '../clock.ts'
import type { UnloadReason } from '../telemetry/function-metrics.ts'
import type { Deployment, Instance } from './contract.ts'
import { Slot, type SlotLimits, type SlotObserver, type SlotState } from './slot.ts'

export interface RegistryOptions {
  load(deployment: Deployment): Promise<Instance>
  /** Called once for each slot, when it is made: its deployment may soon be loaded. */
  prepare(deployment: Deployment): void
  /**
   * Called once for each slot that has been replaced, removed or discarded, when it is unloaded for
   * good. Not at the end of the host: what makes the next load fast may outlive it.
   */
  forget(deployment: Deployment): void
  readonly clock: Clock
  readonly observer: SlotObserver
  readonly limits: SlotLimits
  /** Idle time before an instance is unloaded, unless its manifest says otherwise. */
  readonly idleTtlMs: number
  /** Instances kept at once; the least recently used idle ones go first. 0: no bound. */
  readonly maxLoaded: number
  /** Whether the heap is too full; asked at each sweep. */
  readonly heapPressure: () => boolean
  readonly random?: () => number
}

/** How often the heap is looked at, and the shortest time between two sweeps. */
const SWEEP_MS = 1_000

/**
 * The functions of one host. Each id has one current slot; slots that were replaced or removed stay
 * known until they have drained.
 */
export class Registry implements AsyncDisposable {
  readonly #options: RegistryOptions
  readonly #current = new Map<string, Slot>()
  readonly #leaving = new Set<Slot>()
  /** Created, and neither installed nor given up yet. */
  readonly #prepared = new Set<Slot>()
  #sweepTimer: Timer | undefined
  #closing: Promise<void> | undefined

  constructor(options: RegistryOptions) {
    this.#options = options
  }

  /**
   * A slot for `deployment` that nobody sees yet: {@link install} makes it current. Once the registry
   * closes, it loads nothing.
   */
  create(deployment: Deployment): Slot {
    const { observer, limits, clock, random, prepare, forget } = this.#options
    const slot = new Slot({
      deployment,
      load: deployment => this.#options.load(deployment),
      limits,
      clock,
      observer: {
        loaded: (slot, durationMs) => {
          observer.loaded(slot, durationMs)
          this.#loaded()
        },
        loadFailed: (slot, cause, retryInMs) => observer.loadFailed(slot, cause, retryInMs),
        unloaded: (slot, reason, cause) => observer.unloaded(slot, reason, cause),
        died: (slot, exit) => observer.died(slot, exit),
      },
      onRetired: reason => {
        if (reason !== 'shutdown') forget(deployment)
      },
      ...(random && { random }),
    })
    this.#prepared.add(slot)
    // The others it has seen itself.
    if (this.#closing !== undefined) slot.retire('shutdown')
    else prepare(deployment)
    return slot
  }

  get(id: string): Slot | undefined {
    return this.#current.get(id)
  }

  /** The current slots, in the order their ids were first installed. */
  current(): IterableIterator<Slot> {
    return this.#current.values()
  }

  /** Replaced or removed slots that still drain. */
  leaving(): IterableIterator<Slot> {
    return this.#leaving.values()
  }

  /** How many functions are in each state, every state listed. */
  states(): Record<SlotState, number> {
    const states = { Unloaded: 0, Loading: 0, Ready: 0, Unloading: 0 }
    for (const slot of this.#current.values()) states[slot.state]++
    return states
  }

  /** Makes `slot` its id's current one; the one before drains. */
  install(slot: Slot): void {
    this.#prepared.delete(slot)
    const before = this.#current.get(slot.id)
    this.#current.set(slot.id, slot)
    if (before !== undefined && before !== slot) this.#retire(before, 'replaced')
    // A slot that was warmed before it became current has told a registry that did not count it.
    if (slot.state === 'Ready') this.#loaded()
  }

  /** Gives up a slot that was not installed; resolves when it is Unloaded. */
  async discard(slot: Slot): Promise<void> {
    await slot.retire('removed')
    this.#prepared.delete(slot)
  }

  /** Takes a function out; its slot drains. */
  remove(id: string): void {
    const slot = this.#current.get(id)
    if (slot === undefined) return
    this.#current.delete(id)
    this.#retire(slot, 'removed')
  }

  /** Unloads every instance that nothing uses now and that need not stay; resolves when they are Unloaded. */
  async unloadUnused(): Promise<void> {
    const unloading = [...this.#current.values()].filter(slot => slot.unloadIfUnused('evicted'))
    await Promise.all(unloading.map(slot => slot.transition))
  }

  /** Unloads every instance after its last use; resolves when none is left. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Makes a {@link close} under way unload even what is in use. */
  expel(): void {
    if (this.#closing === undefined) return
    for (const slot of this.#all()) slot.expel()
  }

  async #close(): Promise<void> {
    this.#sweepTimer?.cancel()
    await Promise.all(this.#all().map(slot => slot.retire('shutdown')))
  }

  #retire(slot: Slot, reason: UnloadReason): void {
    this.#leaving.add(slot)
    slot.retire(reason).then(() => this.#leaving.delete(slot))
  }

  #all(): Slot[] {
    return [...this.#current.values(), ...this.#leaving, ...this.#prepared]
  }

  #loaded(): void {
    this.#evictExcess()
    if (this.#closing === undefined && this.#sweepTimer === undefined) this.#scheduleSweep()
  }

  #ttlOf(slot: Slot): number {
    return slot.deployment.manifest.idleTtlMs ?? this.#options.idleTtlMs
  }

  /** The next sweep comes when the first instance can be due, but sweeps never crowd. */
  #scheduleSweep(): void {
    const { clock } = this.#options
    const nowMs = clock.now()
    let delayMs = Number.POSITIVE_INFINITY
    for (const slot of this.#current.values()) {
      if (slot.state !== 'Ready' || slot.isKept) continue
      const ttlMs = this.#ttlOf(slot)
      const dueInMs = slot.inUse ? ttlMs : slot.lastUsedMs + ttlMs - nowMs
      delayMs = Math.min(delayMs, Math.max(dueInMs, Math.min(SWEEP_MS, ttlMs / 10)))
    }
    this.#sweepTimer = undefined
    if (delayMs === Number.POSITIVE_INFINITY) return
    this.#sweepTimer = clock.setTimer(() => this.#sweep(), Math.min(delayMs, SWEEP_MS))
  }

  #sweep(): void {
    const nowMs = this.#options.clock.now()
    for (const slot of this.#current.values()) {
      if (nowMs - slot.lastUsedMs >= this.#ttlOf(slot)) slot.unloadIfUnused('idle')
    }
    this.#evictExcess()
    if (this.#options.heapPressure()) this.#evict(Math.floor(this.#ready().length * 0.9))
    this.#scheduleSweep()
  }

  #evictExcess(): void {
    if (this.#options.maxLoaded > 0) this.#evict(this.#options.maxLoaded)
  }

  #ready(): Slot[] {
    return [...this.#current.values()].filter(slot => slot.state === 'Ready')
  }

  /** Unloads the least recently used idle instances until at most `keep` are left. */
  #evict(keep: number): void {
    const ready = this.#ready()
    let excess = ready.length - keep
    if (excess <= 0) return
    ready.sort((a, b) => a.lastUsedMs - b.lastUsedMs)
    for (const slot of ready) {
      if (excess === 0) return
      if (slot.unloadIfUnused('evicted')) excess--
    }
  }
}
