import { randomInt, randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compareRevisions, type Store } from '../../src/control-plane/store.ts'
import { FezzError, type FezzErrorCode } from '../../src/errors.ts'
import { Follower, pictureOf } from './store-follower.ts'

/** The data of one store, and a way to it. It may be shared: every test has a prefix of its own. */
export interface StoreUnderTest extends AsyncDisposable {
  /** Another store object onto the same data, as another process would have. */
  open(): Promise<Store>
  /** Ends the lease that holds `key` from outside, as an operator would; absent: not tested. */
  endLease?(key: string): Promise<void>
}

export interface StoreContractOptions {
  /** The shortest lease that this store can do. Default 500. */
  readonly minTtlMs?: number
  /**
   * How long after the last sign of life a key may at most stay. Default twice `minTtlMs` and 5
   * seconds.
   */
  readonly maxExpiryMs?: number
  /** Tests that this store cannot pass, and why. */
  readonly skip?: Readonly<Record<string, string>>
}

/** What every implementation of the Store port does. Runs `setup` once. */
export function storeContract(
  name: string,
  setup: () => Promise<StoreUnderTest>,
  options: StoreContractOptions = {},
): void {
  const ttlMs = options.minTtlMs ?? 500
  const maxExpiryMs = options.maxExpiryMs ?? 2 * ttlMs + 5_000
  const leaseTimeoutMs = 20_000 + 5 * ttlMs + maxExpiryMs
  const unusedSkips = new Set(Object.keys(options.skip ?? {}))

  const test = (title: string, body: () => Promise<void>, timeoutMs = 30_000) => {
    const reason = options.skip?.[title]
    unusedSkips.delete(title)
    if (reason === undefined) it(title, body, timeoutMs)
    else it.skip(`${title} (${reason})`, body)
  }

  describe(`${name} as a Store`, () => {
    let data: StoreUnderTest

    beforeAll(async () => {
      data = await setup()
    })

    afterAll(async () => {
      await data?.[Symbol.asyncDispose]()
    })

    describe('list', () => {
      test('answers an empty prefix with nothing and a revision', async () => {
        await using store = await data.open()
        const { entries, revision } = await store.list(newPrefix())
        expect(entries.size).toBe(0)
        expect(revision).toMatch(/^\d+$/)
      })

      test('has what begins with the prefix, in order, and not its neighbours', async () => {
        await using store = await data.open()
        const root = newPrefix()
        for (const key of ['b/2', 'b/10', 'b/1', 'a/1', 'b', 'b-old/1', 'b/c/d', 'B/1', 'c/1']) {
          await store.put(root + key, key)
        }
        const under = async (prefix: string) => {
          const { entries } = await store.list(root + prefix)
          return [...entries].map(([key, { value }]) => {
            expect(key).toBe(root + value)
            return value
          })
        }
        expect(await under('b/')).toEqual(['b/1', 'b/10', 'b/2', 'b/c/d'])
        expect(await under('b')).toEqual(['b', 'b-old/1', 'b/1', 'b/10', 'b/2', 'b/c/d'])
        expect(await under('b/1')).toEqual(['b/1', 'b/10'])
        expect(await under('c/1/')).toEqual([])
      })

      test('keeps odd keys and any text up to 256 KiB as they are', async () => {
        await using store = await data.open()
        await using other = await data.open()
        const root = newPrefix()
        const written = new Map([
          [`${root}a:b@c`, '{"colon":true}'],
          [`${root}with space+plus`, ' leading, trailing and\r\nline\tbreaks \n'],
          [`${root}100%2Fpercent%`, '%2F'],
          [`${root}grüße-日本-🎉`, 'grüße 日本 🎉 \u0000 \u2028 \ufeff "'],
          [`${root}query?a=b&c#d`, '?'],
          [`${root}long`, 'é'.repeat(128 * 1024)],
        ])
        for (const [key, value] of written) await store.put(key, value)
        expect(pictureOf(await store.list(root))).toEqual(written)
        expect(pictureOf(await other.list(root))).toEqual(written)
      })

      test('has 1,000 keys at once', async () => {
        await using store = await data.open()
        const root = newPrefix()
        const written = new Map<string, string>()
        for (let n = 0; n < 1_000; n++) written.set(`${root}key-${n}`, `value ${n}`)
        const left = [...written]
        const write = async () => {
          for (let next = left.pop(); next; next = left.pop()) await store.put(next[0], next[1])
        }
        await Promise.all(Array.from({ length: 10 }, write))
        expect(pictureOf(await store.list(root))).toEqual(written)
      })
    })

    describe('put', () => {
      test('answers with revisions that grow, which list repeats', async () => {
        await using store = await data.open()
        await using other = await data.open()
        const root = newPrefix()
        const before = (await store.list(root)).revision
        const first = await store.put(`${root}a`, '1')
        const second = await other.put(`${root}b`, '1')
        const third = await store.put(`${root}a`, '2')
        expect(compareRevisions(before, first)).toBeLessThan(0)
        expect(compareRevisions(first, second)).toBeLessThan(0)
        expect(compareRevisions(second, third)).toBeLessThan(0)
        for (const each of [store, other]) {
          const { entries, revision } = await each.list(root)
          expect(entries.get(`${root}a`)).toEqual({ value: '2', revision: third })
          expect(entries.get(`${root}b`)).toEqual({ value: '1', revision: second })
          expect(compareRevisions(third, revision)).toBeLessThanOrEqual(0)
        }
      })

      test('is a change even when the value is the same', async () => {
        await using store = await data.open()
        const root = newPrefix()
        const first = await store.put(`${root}a`, 'same')
        const second = await store.put(`${root}a`, 'same')
        expect(compareRevisions(first, second)).toBeLessThan(0)
        await expectCode(store.put(`${root}a`, 'stale', { ifRevision: first }), 'CONFLICT')
      })

      test('with ifRevision null only creates', async () => {
        await using store = await data.open()
        const root = newPrefix()
        const revision = await store.put(`${root}a`, 'first', { ifRevision: null })
        await expectCode(store.put(`${root}a`, 'second', { ifRevision: null }), 'CONFLICT')
        expect((await store.list(root)).entries.get(`${root}a`)).toEqual({
          value: 'first',
          revision,
        })
        await store.delete(`${root}a`)
        await store.put(`${root}a`, 'third', { ifRevision: null })
        expect(pictureOf(await store.list(root))).toEqual(new Map([[`${root}a`, 'third']]))
      })

      test('with ifRevision changes nothing once the key has moved on', async () => {
        await using store = await data.open()
        await using other = await data.open()
        const root = newPrefix()
        const first = await store.put(`${root}a`, '1')
        const second = await other.put(`${root}a`, '2', { ifRevision: first })
        await expectCode(store.put(`${root}a`, '3', { ifRevision: first }), 'CONFLICT')
        expect((await store.list(root)).entries.get(`${root}a`)).toEqual({
          value: '2',
          revision: second,
        })
        await store.put(`${root}a`, '4', { ifRevision: second })
        await store.delete(`${root}a`)
        await expectCode(store.put(`${root}a`, '5', { ifRevision: second }), 'CONFLICT')
        expect((await store.list(root)).entries.size).toBe(0)
      })

      test('of many with one ifRevision lets exactly one win', async () => {
        await using store = await data.open()
        await using other = await data.open()
        const root = newPrefix()
        for (let round = 0; round < 5; round++) {
          const known = (await store.list(root)).entries.get(`${root}a`)?.revision ?? null
          const results = await Promise.allSettled(
            Array.from({ length: 8 }, (_, n) =>
              (n % 2 ? store : other).put(`${root}a`, `${round}.${n}`, { ifRevision: known }),
            ),
          )
          const won = results.flatMap((result, n) => (result.status === 'fulfilled' ? [n] : []))
          expect(won).toHaveLength(1)
          for (const result of results) {
            if (result.status === 'rejected') expect(result.reason.code).toBe('CONFLICT')
          }
          const { entries } = await other.list(root)
          expect(entries.get(`${root}a`)?.value).toBe(`${round}.${won[0]}`)
        }
      })
    })

    describe('delete', () => {
      test('tells whether there was such a key', async () => {
        await using store = await data.open()
        const root = newPrefix()
        await store.put(`${root}a`, '1')
        await store.put(`${root}ab`, '1')
        expect(await store.delete(`${root}a`)).toBe(true)
        expect(await store.delete(`${root}a`)).toBe(false)
        const { entries } = await store.list(root)
        expect([...entries.keys()]).toEqual([`${root}ab`])
      })

      test('with ifRevision changes nothing once the key has moved on', async () => {
        await using store = await data.open()
        const root = newPrefix()
        const first = await store.put(`${root}a`, '1')
        const second = await store.put(`${root}a`, '2')
        await expectCode(store.delete(`${root}a`, { ifRevision: first }), 'CONFLICT')
        expect((await store.list(root)).entries.size).toBe(1)
        expect(await store.delete(`${root}a`, { ifRevision: second })).toBe(true)
        await expectCode(store.delete(`${root}a`, { ifRevision: second }), 'CONFLICT')
        expect((await store.list(root)).entries.size).toBe(0)
      })
    })

    describe('watch', () => {
      test('tells what this store object and others change, in order', async () => {
        await using store = await data.open()
        await using other = await data.open()
        const root = newPrefix()
        await store.put(`${root}before`, '1')
        await using follower = await Follower.start(store, root)
        const written: string[] = []
        for (let n = 0; n < 20; n++) {
          written.push(`${root}key-${n}`)
          await (n % 2 ? store : other).put(`${root}key-${n}`, `${n}`)
        }
        await follower.untilHas(`${root}key-19`, '19')
        // One change may tell several keys, in any order.
        const told = follower.changes.flatMap(({ events }) =>
          events.map(event => written.indexOf(event.key)).sort((a, b) => a - b),
        )
        expect(told).toEqual(written.map((_, n) => n))
      })

      test('tells what was changed between the listing and its beginning, and nothing older', async () => {
        await using store = await data.open()
        await using other = await data.open()
        const root = newPrefix()
        await store.put(`${root}old`, '1')
        await store.put(`${root}gone`, '1')
        await store.put(`${root}deleted-before`, '1')
        await store.delete(`${root}deleted-before`)
        const listing = await store.list(root)
        await store.put(`${root}mine`, '1')
        await other.put(`${root}theirs`, '1')
        await other.delete(`${root}gone`)
        await using follower = new Follower(store, root, listing)
        await follower.until(() => follower.keysTold.length >= 3, 'three keys were told')
        await store.put(`${root}end`, '1')
        await follower.untilHas(`${root}end`, '1')
        expect(follower.keysTold.slice(0, -1).sort()).toEqual(
          [`${root}gone`, `${root}mine`, `${root}theirs`].sort(),
        )
        expect(follower.keysTold.at(-1)).toBe(`${root}end`)
      })

      test('tells deletes, and a key that was deleted and put again', async () => {
        await using store = await data.open()
        await using other = await data.open()
        const root = newPrefix()
        await store.put(`${root}a`, '1')
        await using follower = await Follower.start(other, root)
        await store.delete(`${root}a`)
        await follower.untilHas(`${root}a`, undefined)
        await store.put(`${root}a`, '2')
        await follower.untilHas(`${root}a`, '2')
        await store.delete(`${root}a`)
        const revision = await store.put(`${root}a`, '3')
        await follower.untilHas(`${root}a`, '3')
        expect(follower.changes.at(-1)?.events).toEqual([
          { key: `${root}a`, stored: { value: '3', revision } },
        ])
      })

      test('tells a put of the same value', async () => {
        await using store = await data.open()
        const root = newPrefix()
        await store.put(`${root}a`, 'same')
        await using follower = await Follower.start(store, root)
        const revision = await store.put(`${root}a`, 'same')
        await follower.until(() => follower.changes.length > 0, 'the change was told')
        expect(follower.changes.flatMap(change => change.events)).toEqual([
          { key: `${root}a`, stored: { value: 'same', revision } },
        ])
      })

      test('of two prefixes tells each its own', async () => {
        await using store = await data.open()
        await using other = await data.open()
        const root = newPrefix()
        await using first = await Follower.start(store, `${root}a/`)
        await using second = await Follower.start(store, `${root}b/`)
        await using both = await Follower.start(store, root)
        for (let n = 0; n < 5; n++) {
          await other.put(`${root}a/${n}`, 'a')
          await other.put(`${root}b/${n}`, 'b')
          await other.put(`${root}ab/${n}`, 'ab')
        }
        await first.untilHas(`${root}a/4`, 'a')
        await second.untilHas(`${root}b/4`, 'b')
        await both.untilHas(`${root}ab/4`, 'ab')
        expect(first.keysTold).toHaveLength(5)
        expect(second.keysTold).toHaveLength(5)
        expect(both.keysTold).toHaveLength(15)
      })

      test('has the picture of a listing after 200 random changes by two writers', async () => {
        await using store = await data.open()
        await using other = await data.open()
        const root = newPrefix()
        for (let n = 0; n < 5; n++) await store.put(`${root}key-${n}`, 'before')
        await using near = await Follower.start(store, root)
        await using far = await Follower.start(other, root)
        const write = async (writer: Store, name: string) => {
          for (let n = 0; n < 100; n++) {
            const key = `${root}key-${randomInt(12)}`
            if (randomInt(3) === 0) await writer.delete(key)
            else await writer.put(key, `${name} ${n}`)
          }
        }
        await Promise.all([write(store, 'store'), write(other, 'other')])
        const expected = pictureOf(await store.list(root))
        await other.put(`${root}end`, 'end')
        for (const follower of [near, far]) {
          await follower.untilHas(`${root}end`, 'end')
          follower.picture.delete(`${root}end`)
          expect(follower.picture).toEqual(expected)
        }
        // A new listing has a revision from which its own watch has nothing to tell of all that.
        await using late = await Follower.start(store, root)
        await store.put(`${root}late`, '1')
        await late.untilHas(`${root}late`, '1')
        expect(late.keysTold).toEqual([`${root}late`])
      })

      test('ends silently and promptly when it is aborted', async () => {
        await using store = await data.open()
        const root = newPrefix()
        const idle = await Follower.start(store, root)
        const busy = await Follower.start(store, root)
        await store.put(`${root}a`, '1')
        await busy.untilHas(`${root}a`, '1')
        const startedMs = performance.now()
        expect(await Promise.all([idle.stop(), busy.stop()])).toEqual([undefined, undefined])
        expect(performance.now() - startedMs).toBeLessThan(1_000)
        idle.check()
      })

      test('ends at once when it was aborted before', async () => {
        await using store = await data.open()
        const root = newPrefix()
        const { revision } = await store.list(root)
        await store.put(`${root}a`, '1')
        const changes = []
        for await (const change of store.watch(root, revision, AbortSignal.abort())) {
          changes.push(change)
        }
        expect(changes).toEqual([])
      })

      test('may be left in the middle', async () => {
        await using store = await data.open()
        const root = newPrefix()
        const { revision } = await store.list(root)
        await store.put(`${root}a`, '1')
        const { signal } = new AbortController()
        for await (const { events } of store.watch(root, revision, signal)) {
          expect(events.map(event => event.key)).toEqual([`${root}a`])
          break
        }
        await using follower = await Follower.start(store, root)
        await store.put(`${root}b`, '1')
        await follower.untilHas(`${root}b`, '1')
      })
    })

    describe('lease', () => {
      test(
        'keeps its keys for as long as it is kept alive',
        async () => {
          await using store = await data.open()
          await using other = await data.open()
          const root = newPrefix()
          await using lease = await store.lease(ttlMs)
          await store.put(`${root}a`, '1', { lease })
          await using follower = await Follower.start(other, root)
          await delay(2.5 * ttlMs)
          expect([...(await other.list(root)).entries.keys()]).toEqual([`${root}a`])
          await store.put(`${root}a`, '2', { lease })
          await follower.untilHas(`${root}a`, '2')
          expect(follower.keysTold).toEqual([`${root}a`])
          expect(await isPending(lease.lost)).toBe(true)
        },
        leaseTimeoutMs,
      )

      test(
        'expires when its store is closed, and a watch elsewhere tells it',
        async () => {
          await using other = await data.open()
          const root = newPrefix()
          const holder = await data.open()
          const lease = await holder.lease(ttlMs)
          await holder.put(`${root}a`, '1', { lease })
          await holder.put(`${root}b`, '1', { lease })
          await holder.put(`${root}stays`, '1')
          await using follower = await Follower.start(other, root)
          expect(follower.picture.size).toBe(3)
          await holder.close()
          const deadlineMs = performance.now() + maxExpiryMs
          expect(await lease.lost).toMatch(/\w/)
          while (performance.now() < deadlineMs && follower.picture.size > 1) await delay(10)
          await follower.untilHas(`${root}a`, undefined)
          await follower.untilHas(`${root}b`, undefined)
          expect(performance.now()).toBeLessThan(deadlineMs)
          expect(pictureOf(await other.list(root))).toEqual(new Map([[`${root}stays`, '1']]))
          expect(follower.keysTold.sort()).toEqual([`${root}a`, `${root}b`])
          // Whoever comes next can have the key.
          await other.put(`${root}a`, '2', { ifRevision: null })
        },
        leaseTimeoutMs,
      )

      test('deletes its keys at once when it is revoked', async () => {
        await using store = await data.open()
        await using other = await data.open()
        const root = newPrefix()
        const lease = await store.lease(Math.max(ttlMs, 30_000))
        await store.put(`${root}a`, '1', { lease, ifRevision: null })
        await store.put(`${root}stays`, '1')
        await using follower = await Follower.start(other, root)
        await lease.revoke()
        expect(pictureOf(await other.list(root))).toEqual(new Map([[`${root}stays`, '1']]))
        await follower.untilHas(`${root}a`, undefined)
        await lease.revoke()
        expect(await isPending(lease.lost)).toBe(true)
        await expectCode(store.put(`${root}late`, '1', { lease }), 'CONFLICT')
        await store.put(`${root}a`, '2', { ifRevision: null })
        expect((await store.list(root)).entries.size).toBe(2)
      })

      test('lets its keys be changed on a condition, and deleted', async () => {
        await using store = await data.open()
        await using other = await data.open()
        const root = newPrefix()
        await using lease = await store.lease(Math.max(ttlMs, 30_000))
        const first = await store.put(`${root}a`, '1', { lease, ifRevision: null })
        await expectCode(store.put(`${root}a`, 'x', { lease, ifRevision: null }), 'CONFLICT')
        const second = await store.put(`${root}a`, '2', { lease, ifRevision: first })
        await expectCode(store.put(`${root}a`, 'x', { lease, ifRevision: first }), 'CONFLICT')
        expect((await other.list(root)).entries.get(`${root}a`)).toEqual({
          value: '2',
          revision: second,
        })
        expect(await other.delete(`${root}a`)).toBe(true)
        await store.put(`${root}a`, '3', { lease })
        expect(pictureOf(await other.list(root))).toEqual(new Map([[`${root}a`, '3']]))
      })

      test('has no say in a key that was put under another one', async () => {
        await using store = await data.open()
        await using other = await data.open()
        const root = newPrefix()
        const before = await store.lease(Math.max(ttlMs, 30_000))
        await store.put(`${root}a`, 'before', { lease: before })
        await using after = await other.lease(Math.max(ttlMs, 30_000))
        await other.put(`${root}a`, 'after', { lease: after })
        await before.revoke()
        expect(pictureOf(await other.list(root))).toEqual(new Map([[`${root}a`, 'after']]))
        await after.revoke()
        expect((await other.list(root)).entries.size).toBe(0)
      })

      test(
        'tells when it was ended from outside',
        async () => {
          if (data.endLease === undefined) return
          await using store = await data.open()
          await using other = await data.open()
          const root = newPrefix()
          await using lease = await store.lease(ttlMs)
          await store.put(`${root}a`, '1', { lease })
          await using follower = await Follower.start(other, root)
          await data.endLease(`${root}a`)
          await follower.untilHas(`${root}a`, undefined)
          expect(await lease.lost).toMatch(/\w/)
          await using next = await store.lease(ttlMs)
          await store.put(`${root}a`, '2', { lease: next })
          await follower.untilHas(`${root}a`, '2')
        },
        leaseTimeoutMs,
      )
    })

    describe('a closed store', () => {
      test('refuses every call', async () => {
        const store = await data.open()
        const root = newPrefix()
        const { revision } = await store.list(root)
        await store.close()
        await expectCode(store.list(root), 'STORE_UNAVAILABLE')
        await expectCode(store.put(`${root}a`, '1'), 'STORE_UNAVAILABLE')
        await expectCode(store.delete(`${root}a`), 'STORE_UNAVAILABLE')
        await expectCode(store.lease(ttlMs), 'STORE_UNAVAILABLE')
        const { signal } = new AbortController()
        const changes = store.watch(root, revision, signal)[Symbol.asyncIterator]()
        await expectCode(changes.next(), 'STORE_UNAVAILABLE')
      })

      test('may be closed twice, and disposed of', async () => {
        const store = await data.open()
        await Promise.all([store.close(), store.close()])
        await store.close()
        await store[Symbol.asyncDispose]()
      })

      test('ends its watches with an error, and no one else', async () => {
        await using other = await data.open()
        const store = await data.open()
        const root = newPrefix()
        const follower = await Follower.start(store, root)
        await using elsewhere = await Follower.start(other, root)
        await store.put(`${root}a`, '1')
        await follower.untilHas(`${root}a`, '1')
        await store.close()
        expect(await follower.ended).toMatchObject({ code: 'STORE_UNAVAILABLE' })
        await other.put(`${root}b`, '1')
        await elsewhere.untilHas(`${root}b`, '1')
      })

      test('leaves no lease alive that was asked for just before', async () => {
        const store = await data.open()
        await store.list(newPrefix())
        const asked = store.lease(ttlMs).then(
          lease => lease.lost,
          (error: unknown) => error,
        )
        await store.close()
        expect(await asked).toBeDefined()
      })

      test('does not fail a lease that is revoked too late', async () => {
        const store = await data.open()
        const lease = await store.lease(ttlMs)
        await store.close()
        await lease.revoke()
        await lease[Symbol.asyncDispose]()
      })
    })

    it('has a test for everything that is skipped', () => {
      expect([...unusedSkips]).toEqual([])
    })
  })
}

/** A prefix that no other test and no other run has. */
function newPrefix(): string {
  return `fezz-contract/${randomUUID()}/`
}

async function expectCode(call: Promise<unknown>, code: FezzErrorCode): Promise<void> {
  const error = await call.then(
    answer => new Error(`answered with ${JSON.stringify(answer)} instead of ${code}`),
    (error: unknown) => error,
  )
  if (!(error instanceof FezzError)) throw error
  expect(error.code).toBe(code)
}

/** Whether a promise has not settled by now. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending')
  return (await Promise.race([promise, delay(50, pending)])) === pending
}
