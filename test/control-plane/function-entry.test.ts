import { describe, expect, it } from 'vitest'
import { FunctionEntry } from '../../src/control-plane/function-entry.ts'
import { checkManifest } from '../../src/function/manifest-schema.ts'

const SHA256 = 'a1'.repeat(32)
const hello = new FunctionEntry({ id: 'hello', path: '/hello' })

describe('FunctionEntry', () => {
  it('takes a manifest as people write it, and a checked one', () => {
    const manifest = checkManifest({ id: 'hello', path: '/hello' }, 'test')
    expect(hello.manifest).toEqual(manifest)
    expect(new FunctionEntry(manifest).manifest).toBe(manifest)
    expect(() => new FunctionEntry({ id: 'a b' })).toThrow(
      expect.objectContaining({ code: 'INVALID_MANIFEST' }),
    )
  })

  it('runs everywhere, with affinity, unless it says otherwise', () => {
    expect(hello).toMatchObject({ id: 'hello', placement: {}, balance: 'affinity' })
    expect(hello.isPlacedOn({ id: 'any', labels: {} })).toBe(true)
  })

  it('answers each step with a new entry', () => {
    const entry = hello
      .artifact({ sha256: SHA256 })
      .onNode('node-1', 'node-2')
      .onLabels({ disk: 'ssd' })
      .balanced('spread')
    expect(entry).toMatchObject({
      manifest: hello.manifest,
      code: { sha256: SHA256, exportName: 'default' },
      placement: { nodes: ['node-1', 'node-2'], labels: { disk: 'ssd' } },
      balance: 'spread',
    })
    expect(entry.everywhere()).toMatchObject({ placement: {}, balance: 'spread' })
    expect(hello.code).toBeUndefined()
    expect(hello.placement).toEqual({})
  })

  it('is where both conditions hold', () => {
    const entry = hello.onNode('node-1').onLabels({ disk: 'ssd' })
    expect(entry.isPlacedOn({ id: 'node-1', labels: { disk: 'ssd', gpu: 'no' } })).toBe(true)
    expect(entry.isPlacedOn({ id: 'node-1', labels: { disk: 'hdd' } })).toBe(false)
    expect(entry.isPlacedOn({ id: 'node-2', labels: { disk: 'ssd' } })).toBe(false)
  })

  it('keeps what was given later changed', () => {
    const nodes: [string] = ['node-1']
    const labels = { disk: 'ssd' }
    const entry = hello.onNode(...nodes).onLabels(labels)
    nodes[0] = 'node-2'
    labels.disk = 'hdd'
    expect(entry.placement).toEqual({ nodes: ['node-1'], labels: { disk: 'ssd' } })
    for (const part of [entry, entry.placement, entry.placement.nodes, entry.placement.labels]) {
      expect(Object.isFrozen(part)).toBe(true)
    }
  })

  it('equals an entry that says the same', () => {
    const same = new FunctionEntry({ path: '/hello', id: 'hello', method: ['GET'] })
    expect(hello.equals(same)).toBe(true)
    expect(hello.equals(hello.onLabels({}))).toBe(true)
    for (const other of [
      new FunctionEntry({ id: 'hello', path: '/hi' }),
      hello.artifact({ sha256: SHA256 }),
      hello.onNode('node-1'),
      hello.onLabels({ a: 'b' }),
      hello.balanced('spread'),
    ]) {
      expect(hello.equals(other)).toBe(false)
    }
  })
})
