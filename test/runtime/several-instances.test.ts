import { describe, expect, it } from 'vitest'
import { FezzResponse } from '../../src/http/web/fezz-response.ts'
import { AT_REST, functionOf, hostSetup, openStream } from './host-setup.ts'

/** A class whose instances answer with the order in which they were made. */
function numbered() {
  const made: { unloads: number }[] = []
  class Numbered {
    readonly number = made.push({ unloads: 0 }) - 1
    fetch() {
      return FezzResponse.text(String(this.number))
    }
    onUnload() {
      made[this.number]!.unloads++
    }
  }
  return { Numbered, made, unloads: () => made.map(({ unloads }) => unloads) }
}

describe('a function with several instances', () => {
  it('is loaded, asked in turn, and unloaded as one', async () => {
    const { Numbered, unloads } = numbered()
    const { deploy, text, slot, clock, counters } = hostSetup({ idleTtl: '10s' })
    await deploy(functionOf(Numbered, { instances: 3 }))
    const answers = [await text('/f'), await text('/f'), await text('/f'), await text('/f')]
    expect(new Set(answers)).toEqual(new Set(['0', '1', '2']))
    expect(slot().state).toBe('Ready')
    expect(counters(slot())).toEqual(AT_REST)
    await clock.advance(12_000)
    expect(slot().state).toBe('Unloaded')
    expect(unloads()).toEqual([1, 1, 1])
  })

  it('serves on while one that died is replaced; when all have died it is loaded anew', async () => {
    const { Numbered, made } = numbered()
    const { deploy, text, executor, slot, clock, metrics } = hostSetup()
    const deaths = () => metrics.forFunction('f').unloads('crash')
    await deploy(functionOf(Numbered, { instances: 2, preload: true }))
    await executor.instances[0]!.die()
    expect(slot().state).toBe('Ready')
    expect(deaths()).toBe(1)
    expect(await text('/f')).toMatch(/^[12]$/)
    await clock.advance(0)
    expect(made).toHaveLength(3)

    await Promise.all(executor.instances.filter(({ dead }) => !dead).map(each => each.die()))
    expect(slot().state).toBe('Unloaded')
    expect(deaths()).toBe(3)
    expect(await text('/f')).toMatch(/^[34]$/)
  })

  it('streams through', async () => {
    const stream = openStream()
    const { deploy, fetch, slot, counters } = hostSetup()
    await deploy(functionOf(() => new Response(stream.body), { instances: 2 }))
    const response = await fetch('/f')
    stream.send('a')
    stream.end()
    expect(await response.text()).toBe('a')
    expect(counters(slot())).toEqual(AT_REST)
  })
})

describe('a function with minInstances', () => {
  it('is loaded at the start, again after its death, and never for being idle', async () => {
    const { Numbered, made, unloads } = numbered()
    const { deploy, slot, clock, executor, host } = hostSetup({ idleTtl: '1s', maxLoaded: 1 })
    await deploy(
      functionOf(Numbered, { minInstances: 1 }),
      functionOf(() => FezzResponse.text('other'), { id: 'other', preload: true }),
    )
    expect(slot().state).toBe('Ready')
    await clock.advance(60_000)
    expect(unloads()).toEqual([0])

    await executor.instances.find(({ deployment }) => deployment.manifest.id === 'f')!.die()
    await clock.advance(0)
    expect([slot().state, made.length]).toEqual(['Ready', 2])

    await host.close()
    expect(slot().state).toBe('Unloaded')
    expect(unloads()[1]).toBe(1)
  })

  it('that cannot be loaded at first is loaded as soon as it can', async () => {
    let isBroken = true
    const { deploy, slot, clock, text } = hostSetup({ logLevel: 'silent' })
    const broken = {
      onLoad: () => {
        if (isBroken) throw new Error('no database')
      },
      fetch: () => FezzResponse.text('ok'),
    }
    expect(await deploy(functionOf(broken, { minInstances: 1 }))).toEqual([])
    expect(slot().state).toBe('Unloaded')
    isBroken = false
    await clock.advance(1_000)
    expect(slot().state).toBe('Ready')
    expect(await text('/f')).toBe('ok')
  })

  it('that fails beside a version that works is not tried again', async () => {
    let loads = 0
    const broken = {
      onLoad: () => {
        loads++
        throw new Error('no database')
      },
      fetch: () => FezzResponse.text('new'),
    }
    const { deploy, clock, text } = hostSetup({ logLevel: 'silent' })
    await deploy(functionOf(() => FezzResponse.text('old'), { preload: true }))
    const failures = await deploy(functionOf(broken, { minInstances: 1, version: 'v2' }))
    expect(failures).toMatchObject([{ id: 'f' }])
    await clock.advance(60_000)
    expect(loads).toBe(1)
    expect(await text('/f')).toBe('old')
  })
})
