import { describe, expect, it } from 'vitest'
import { EtcdStore } from '../../src/control-plane/etcd/etcd-store.ts'
import { compareRevisions } from '../../src/control-plane/store.ts'
import { storeContract } from '../contract/store-contract.ts'
import { startEtcd } from '../services/etcd.ts'

const log = { debug: () => {} }

storeContract(
  'etcd',
  async () => {
    const etcd = await startEtcd()
    return {
      open: async () => new EtcdStore({ endpoints: [etcd.endpoint], log }),
      endLease: async (key: string) => {
        // Its number does not fit into a number of JSON.parse.
        const entry = await etcd.etcdctl(['get', key, '-w', 'json'])
        const [, id = ''] = /"lease":(\d+)/.exec(entry) ?? []
        await etcd.etcdctl(['lease', 'revoke', BigInt(id).toString(16)])
      },
      [Symbol.asyncDispose]: () => etcd[Symbol.asyncDispose](),
    }
  },
  // etcd rounds up to twice its election timeout, at least 2 s.
  { minTtlMs: 2_000 },
)

describe('etcd', () => {
  it('lists everything under the empty prefix, and values as etcdctl puts them', async () => {
    await using etcd = await startEtcd()
    await using store = new EtcdStore({ endpoints: [etcd.endpoint], log })
    await etcd.etcdctl(['put', 'ä/1', 'ü'])
    await etcd.etcdctl(['put', 'z', ''])
    const { entries } = await store.list('')
    expect([...entries].map(([key, { value }]) => [key, value])).toEqual([
      ['z', ''],
      ['ä/1', 'ü'],
    ])
  })

  it('lists many pages as they were at one revision, whatever is put meanwhile', async () => {
    await using etcd = await startEtcd()
    await using store = new EtcdStore({ endpoints: [etcd.endpoint], log })
    const keys = Array.from({ length: 1_100 }, (_, index) => `p/${String(index).padStart(4, '0')}`)
    await Promise.all(keys.map(key => store.put(key, 'old')))
    const listing = store.list('p/')
    const puts = keys.map(key => store.put(key, 'new'))
    const { entries, revision } = await listing
    await Promise.all(puts)
    expect([...entries.keys()]).toEqual(keys)
    for (const stored of entries.values()) {
      expect(compareRevisions(stored.revision, revision)).toBeLessThanOrEqual(0)
    }
    expect((await etcd.calls()).get('Range')).toBe(5)
  })

  it('refuses a lease of another store', async () => {
    await using store = new EtcdStore({ endpoints: ['http://127.0.0.1:1'], log })
    const lease = {
      lost: new Promise<string>(() => {}),
      revoke: async () => {},
      [Symbol.asyncDispose]: async () => {},
    }
    await expect(store.put('a', '1', { lease })).rejects.toBeInstanceOf(TypeError)
  })
})
