import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { FunctionEvent } from '../../src/control-plane/function-entries.ts'
import { FunctionEntry } from '../../src/control-plane/function-entry.ts'
import { FunctionStore, type WatchOptions } from '../../src/control-plane/function-store.ts'
import { FUNCTIONS } from '../../src/control-plane/keys.ts'
import { MemoryStore } from '../../src/control-plane/memory/memory-store.ts'
import type { Listing, Revision, StoreChange } from '../../src/control-plane/store.ts'
import { FezzError } from '../../src/errors.ts'
import type { Manifest } from '../../src/function/manifest.ts'

const entry = (id: string, version = 'v1') => new FunctionEntry({ id, version, path: `/${id}` })

/** A store in memory whose connection can be cut. */
class UnreliableStore extends MemoryStore {
  isDown = false
  watches = 0
  #cut = new AbortController()

  /** Ends the watches. */
  cut(): void {
    this.#cut.abort()
    this.#cut = new AbortController()
  }

  override async list(prefix: string): Promise<Listing> {
    if (this.isDown) throw new FezzError('STORE_UNAVAILABLE', 'it is down')
    return super.list(prefix)
  }

  override async *watch(
    prefix: string,
    from: Revision,
    signal: AbortSignal,
  ): AsyncIterable<StoreChange> {
    const cut = this.#cut.signal
    this.watches++
    try {
      yield* super.watch(prefix, from, AbortSignal.any([signal, cut]))
    } finally {
      this.watches--
    }
    if (signal.aborted) return
    throw new FezzError(this.isDown ? 'STORE_UNAVAILABLE' : 'WATCH_LOST', 'it was cut')
  }
}

/** Follows a watch; as `Added a v1`, `Removed a`. */
class Listener implements AsyncDisposable {
  readonly seen: string[] = []
  readonly #stop = new AbortController()
  readonly #ended: Promise<void>

  constructor(functions: FunctionStore, options: Omit<WatchOptions, 'signal'> = {}) {
    const run = async () => {
      const events = functions.watch({ ...options, signal: this.#stop.signal })
      for await (const event of events) this.seen.push(shown(event))
    }
    this.#ended = run()
  }

  async until(...expected: readonly string[]): Promise<void> {
    await expect.poll(() => this.seen, { timeout: 5_000, interval: 2 }).toEqual(expected)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#ended
  }
}

function shown(event: FunctionEvent): string {
  return 'entry' in event
    ? `${event.type} ${event.entry.id} ${event.entry.manifest.version}`
    : `${event.type} ${event.id}`
}

describe('FunctionStore', () => {
  it('registers, finds, lists and unregisters', async () => {
    await using store = new MemoryStore()
    const functions = new FunctionStore(store)
    expect(await functions.get('a')).toBeUndefined()
    const first = await functions.register(entry('a').onNode('node-1'))
    const second = await functions.register(entry('ab'))
    expect((await functions.get('a'))?.equals(entry('a').onNode('node-1'))).toBe(true)
    const { entries, rejected, revisions, revision } = await functions.list()
    expect([...entries.keys()].sort()).toEqual(['a', 'ab'])
    expect(rejected.size).toBe(0)
    expect(revisions).toEqual(
      new Map([
        ['a', first],
        ['ab', second],
      ]),
    )
    expect(revision).toBe(second)
    expect(await functions.unregister('a')).toBe(true)
    expect(await functions.unregister('a')).toBe(false)
    expect(await functions.get('a')).toBeUndefined()
    expect((await functions.get('ab'))?.id).toBe('ab')
  })

  it('replaces only what the caller knows, where asked to', async () => {
    await using store = new MemoryStore()
    const functions = new FunctionStore(store)
    const revision = await functions.register(entry('a'), { ifRevision: null })
    const conflict = expect.objectContaining({ code: 'CONFLICT' })
    await expect(functions.register(entry('a', 'v2'), { ifRevision: null })).rejects.toEqual(
      conflict,
    )
    await functions.register(entry('a', 'v2'), { ifRevision: revision })
    await expect(functions.register(entry('a', 'v3'), { ifRevision: revision })).rejects.toEqual(
      conflict,
    )
    expect((await functions.get('a'))?.manifest.version).toBe('v2')
  })

  it('tells a wrong entry from an absent one, and lists the others', async () => {
    await using store = new MemoryStore()
    const functions = new FunctionStore(store)
    await functions.register(entry('a'))
    const revision = await store.put(`${FUNCTIONS}x`, '{}')
    await expect(functions.get('x')).rejects.toMatchObject({ code: 'INVALID_ENTRY' })
    const listing = await functions.list()
    expect([...listing.entries.keys()]).toEqual(['a'])
    expect([...listing.rejected.keys()]).toEqual(['x'])
    expect(listing.revisions.get('x')).toBe(revision)
  })

  it('does not put what no host would take', async () => {
    await using store = new MemoryStore()
    const functions = new FunctionStore(store)
    const manifest: Manifest = { ...entry('a').manifest, timeoutMs: -1 }
    await expect(functions.register(new FunctionEntry(manifest))).rejects.toMatchObject({
      code: 'INVALID_ENTRY',
    })
    expect((await store.list('')).entries.size).toBe(0)
  })
})

describe('FunctionStore.watch', () => {
  it('begins with what is there, and tells what becomes of it', async () => {
    await using store = new MemoryStore()
    const functions = new FunctionStore(store)
    await functions.register(entry('a'))
    await store.put(`${FUNCTIONS}x`, '{}')
    await using listener = new Listener(functions)
    const told = ['Added a v1', 'Rejected x']
    await listener.until(...told)
    const steps: [() => Promise<unknown>, string][] = [
      [() => functions.register(entry('b')), 'Added b v1'],
      [() => functions.register(entry('a', 'v2')), 'Updated a v2'],
      [() => store.put(`${FUNCTIONS}a`, '{'), 'Rejected a'],
      [() => functions.register(entry('x')), 'Added x v1'],
      [() => functions.unregister('a'), 'Removed a'],
    ]
    for (const [step, event] of steps) {
      await step()
      told.push(event)
      await listener.until(...told)
    }
  })

  it('tells only what changes, where asked to', async () => {
    await using store = new UnreliableStore()
    const functions = new FunctionStore(store)
    await functions.register(entry('a'))
    await using listener = new Listener(functions, { initial: false })
    await expect.poll(() => store.watches).toBe(1)
    await functions.register(entry('a', 'v2'))
    await functions.register(entry('b'))
    await listener.until('Updated a v2', 'Added b v1')
  })

  it('has no event for a put of the same content', async () => {
    await using store = new MemoryStore()
    const functions = new FunctionStore(store)
    await functions.register(entry('a'))
    await using listener = new Listener(functions)
    await listener.until('Added a v1')
    await functions.register(entry('a'))
    await store.put(`${FUNCTIONS}a`, '{"manifest":{"path":"/a"}}')
    await functions.register(entry('end'))
    await listener.until('Added a v1', 'Added end v1')
  })

  it('tells whoever is slow of several changes as one', async () => {
    await using store = new MemoryStore()
    const functions = new FunctionStore(store)
    await functions.register(entry('a', 'v0'))
    const stop = new AbortController()
    const events = functions.watch({ signal: stop.signal })
    expect(shown((await events.next()).value as FunctionEvent)).toBe('Added a v0')
    // Asks for the next one only after all of it has arrived.
    await using other = new Listener(functions)
    for (let n = 1; n <= 50; n++) await functions.register(entry('a', `v${n}`))
    await functions.register(entry('b'))
    await functions.unregister('b')
    await functions.register(entry('end'))
    await expect.poll(() => other.seen.at(-1)).toBe('Added end v1')
    const seen: string[] = []
    while (seen.at(-1) !== 'Added end v1') {
      seen.push(shown((await events.next()).value as FunctionEvent))
    }
    expect(seen).toEqual(['Updated a v50', 'Added end v1'])
    stop.abort()
    expect((await events.next()).done).toBe(true)
  })

  it('ends when the signal aborts, while it waits and before it begins', async () => {
    await using store = new UnreliableStore()
    const functions = new FunctionStore(store)
    const stop = new AbortController()
    const events = functions.watch({ signal: stop.signal })
    const next = events.next()
    await expect.poll(() => store.watches).toBe(1)
    stop.abort()
    expect(await next).toEqual({ done: true, value: undefined })
    expect(store.watches).toBe(0)
    expect((await functions.watch({ signal: stop.signal }).next()).done).toBe(true)
    expect(store.watches).toBe(0)
  })

  it('ends while the store is down', async () => {
    await using store = new UnreliableStore()
    store.isDown = true
    const stop = new AbortController()
    const next = new FunctionStore(store).watch({ signal: stop.signal }).next()
    stop.abort()
    expect((await next).done).toBe(true)
  })

  it('leaves nothing behind when the loop is left', async () => {
    await using store = new UnreliableStore()
    const functions = new FunctionStore(store)
    await functions.register(entry('a'))
    for await (const event of functions.watch()) {
      expect(shown(event)).toBe('Added a v1')
      break
    }
    expect(store.watches).toBe(0)
  })

  it('waits out an outage, and then tells what differs', async () => {
    await using store = new UnreliableStore()
    const functions = new FunctionStore(store)
    for (const id of ['a', 'b', 'c']) await functions.register(entry(id))
    await using listener = new Listener(functions)
    const told = ['Added a v1', 'Added b v1', 'Added c v1']
    await listener.until(...told)
    store.isDown = true
    store.cut()
    await functions.register(entry('a', 'v2'))
    await functions.unregister('b')
    await functions.unregister('c')
    await functions.register(entry('c'))
    await functions.register(entry('d'))
    store.isDown = false
    await listener.until(...told, 'Updated a v2', 'Added d v1', 'Removed b')
  })

  it('misses nothing and tells nothing twice, whatever is cut when', async () => {
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ do: fc.constant('put' as const), id: fc.nat(4), value: fc.nat(2) }),
      },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('spoil' as const), id: fc.nat(4) }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), id: fc.nat(4) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('cut' as const) }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('turn' as const) }) },
    )
    const run = async (
      steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[],
    ) => {
      await using store = new UnreliableStore()
      const functions = new FunctionStore(store)
      const stop = new AbortController()
      const known = new Map<string, FunctionEntry>()
      const sawEnd = Promise.withResolvers<void>()
      const listen = async () => {
        for await (const event of functions.watch({ signal: stop.signal })) {
          const id = 'entry' in event ? event.entry.id : event.id
          const before = known.get(id)
          if (event.type === 'Added') expect(before).toBeUndefined()
          if (event.type === 'Updated') expect(before?.equals(event.entry)).toBe(false)
          if (event.type === 'Removed') expect(before).toBeDefined()
          if (event.type === 'Removed') known.delete(id)
          else if ('entry' in event) known.set(id, event.entry)
          if (id === 'end') sawEnd.resolve()
          if (id === 'last') return
        }
      }
      const listening = listen()
      for (const step of steps) {
        if (step.do === 'put') await functions.register(entry(`f${step.id}`, `v${step.value}`))
        else if (step.do === 'spoil') await store.put(`${FUNCTIONS}f${step.id}`, '{}')
        else if (step.do === 'delete') await functions.unregister(`f${step.id}`)
        else if (step.do === 'cut') store.cut()
        else await new Promise(resolve => setImmediate(resolve))
      }
      // Mended, so that what is listed is what should be known.
      const { rejected } = await functions.list()
      for (const id of rejected.keys()) await functions.unregister(id)
      await functions.register(entry('end'))
      await Promise.race([sawEnd.promise, listening])
      // After a cut, what was removed comes behind what was added.
      await functions.register(entry('last'))
      await listening
      const { entries } = await functions.list()
      expect(new Map([...known].sort())).toEqual(new Map([...entries].sort()))
      stop.abort()
    }
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40 }), run), { numRuns: 100 })
  }, 60_000)
})
