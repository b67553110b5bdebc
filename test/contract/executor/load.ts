import { expect, it } from 'vitest'
import type { ExecutorWorld } from './world.ts'

/** Loading, and what comes before and after it. */
export function describeLoad(world: ExecutorWorld): void {
  it('resolves when onLoad has run, and knows function and version', async () => {
    await world.load('Echo')
    expect(world.journal).toEqual(['load fixture v7'])
  })

  it('rejects with what onLoad throws, its class included, and runs no onUnload', async () => {
    await expect(world.load('FaultyLoad', { env: { FAIL: 'custom' } })).rejects.toMatchObject({
      name: 'CustomError',
      message: 'thrown in onLoad',
    })
    await world.executor.close()
    expect(world.journal).toEqual(['load fixture v7'])
  })

  it('rejects with what the constructor throws, its class included', async () => {
    await expect(world.load('FaultyConstructor')).rejects.toMatchObject({
      name: 'TypeError',
      message: 'thrown in the constructor',
    })
    expect(world.journal).toEqual([])
  })

  it.each(['text', 'undefined'])('rejects when onLoad throws %s, which is no error', async what => {
    const outcome = await world.load('FaultyLoad', { env: { FAIL: what } }).then(
      () => 'loaded',
      () => 'rejected',
    )
    expect(outcome).toBe('rejected')
  })

  it('works again after it has failed', async () => {
    await expect(world.load('FaultyLoad', { env: { FAIL: 'custom' } })).rejects.toThrow()
    const instance = await world.load('FaultyLoad')
    expect(await (await world.call(instance, '/')).text()).toBe('fine')
  })

  it('makes an instance of its own each time', async () => {
    const [first, second] = await Promise.all([world.load('Echo'), world.load('Echo')])
    await world.call(first, '/')
    expect(await (await world.call(first, '/')).json()).toMatchObject({ calls: 2 })
    expect(await (await world.call(second, '/')).json()).toMatchObject({ calls: 1 })
    await first.unload()
    expect(await (await world.call(second, '/')).json()).toMatchObject({ calls: 2 })
  })

  it('loads many at once', async () => {
    const instances = await Promise.all(Array.from({ length: 8 }, () => world.load('Echo')))
    for (const instance of instances) {
      expect(await (await world.call(instance, '/')).json()).toMatchObject({ calls: 1 })
    }
  })

  it('comes after a prepare, which loads nothing', async () => {
    const deployment = await world.deployment('Echo')
    world.executor.prepare(deployment)
    world.executor.prepare(deployment)
    expect(world.journal).toEqual([])
    const instance = await world.executor.load(deployment)
    expect((await world.call(instance, '/')).status).toBe(201)
  })

  it('does not come after every prepare', async () => {
    world.executor.prepare(await world.deployment('Echo'))
    await world.executor.close()
    expect(world.journal).toEqual([])
  })

  it('works again after its deployment was forgotten', async () => {
    const deployment = await world.deployment('Echo')
    await (await world.executor.load(deployment)).unload()
    await world.executor.forget(deployment)
    await world.executor.forget(deployment)
    const instance = await world.executor.load(deployment)
    expect((await world.call(instance, '/')).status).toBe(201)
  })

  it('need not come before its deployment is forgotten', async () => {
    const deployment = await world.deployment('Echo')
    await world.executor.forget(deployment)
    world.executor.prepare(deployment)
    await world.executor.forget(deployment)
  })
}
