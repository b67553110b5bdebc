import { Membership, type MembershipOptions } from '../../src/control-plane/membership.ts'
import { MemoryStore } from '../../src/control-plane/memory/memory-store.ts'
import type { NodeEntry } from '../../src/control-plane/node-entry.ts'
import type { Store } from '../../src/control-plane/store.ts'
import { FezzError } from '../../src/errors.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { RecordedLog } from './recorded-log.ts'
import { SwitchedStore } from './switched-store.ts'

export const KEY = 'fezz/v1/nodes/a'

/** One whose writes fail too when the line is cut. */
class CutStore extends SwitchedStore {
  puts = 0

  override put: Store['put'] = async (...args) => {
    this.#check()
    this.puts++
    return this.store.put(...args)
  }

  override lease: Store['lease'] = async (...args) => {
    this.#check()
    return this.store.lease(...args)
  }

  #check(): void {
    if (this.isDown) throw new FezzError('STORE_UNAVAILABLE', 'as the test wants it')
  }
}

export function nodeEntry(over: Partial<NodeEntry> = {}): NodeEntry {
  return {
    id: 'a',
    address: '10.0.0.1',
    port: 8080,
    zone: '',
    labels: {},
    capacity: 1,
    state: 'starting',
    run: 'first',
    version: '1.0.0',
    startedAt: '2026-11-21T10:00:00.000Z',
    ...over,
  }
}

/** Time, a store in memory, and hosts that share it. */
export class MembershipWorld implements AsyncDisposable {
  readonly clock = new FakeClock()
  readonly data = new MemoryStore({ clock: this.clock })
  readonly #opened: AsyncDisposable[] = []

  host(over: Partial<NodeEntry> = {}, options: Partial<MembershipOptions> = {}) {
    const store = new CutStore()
    store.store = this.data.share()
    const log = new RecordedLog()
    const { state: _, ...node } = nodeEntry(over)
    const { clock } = this
    const random = () => 1
    const membership = new Membership({ store, node, log, clock, random, ...options })
    this.#opened.push(membership)
    return { store, log, membership, join: () => membership.join() }
  }

  /** What the store says of a node. */
  async entry(id = 'a'): Promise<NodeEntry | undefined> {
    const found = (await this.data.list('')).entries.get(`fezz/v1/nodes/${id}`)
    return found && JSON.parse(found.value)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#opened) await each[Symbol.asyncDispose]()
    await this.data.close()
  }
}
