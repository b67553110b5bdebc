import { describe, expect, it } from 'vitest'
import { MemoryStore } from '../../src/control-plane/memory/memory-store.ts'
import { prefixed } from '../../src/control-plane/prefixed-store.ts'
import { storeContract } from '../contract/store-contract.ts'

storeContract('a prefixed MemoryStore', async () => {
  const root = new MemoryStore()
  return {
    open: async () => prefixed(root.share(), 'team/a'),
    endLease: async key => root.endLease(`team/a/${key}`),
    [Symbol.asyncDispose]: () => root.close(),
  }
})

describe('prefixed', () => {
  it('puts the prefix before every key, and shows nothing of its neighbours', async () => {
    await using root = new MemoryStore()
    const store = prefixed(root, 'a')
    await store.put('x', '1')
    await root.put('ab/x', '2')
    await root.put('b/x', '3')
    expect([...(await root.list('')).entries.keys()].sort()).toEqual(['a/x', 'ab/x', 'b/x'])
    expect([...(await store.list('')).entries.keys()]).toEqual(['x'])
    expect(await store.delete('x')).toBe(true)
    expect([...(await root.list('')).entries.keys()].sort()).toEqual(['ab/x', 'b/x'])
  })

  it('is the store itself without a prefix', async () => {
    await using root = new MemoryStore()
    expect(prefixed(root, '')).toBe(root)
  })
})
