import { expect, it } from 'vitest'
import { abortRequest } from '../../../src/http/web/incoming-request.ts'
import { caseFor, type LackingTraits } from './traits.ts'
import { type ExecutorWorld, eventually, requestOf } from './world.ts'

/** The end of an instance, and of the executor. */
export function describeUnload(world: ExecutorWorld, lacking: LackingTraits): void {
  const spinning = caseFor('spinning', lacking)

  it('runs onUnload exactly once, however often it is called', async () => {
    const instance = await world.load('Echo')
    await Promise.all([instance.unload(), instance.unload()])
    await instance.unload()
    expect(world.journal).toEqual(['load fixture v7', 'unload fixture v7'])
  })

  it('rejects with what onUnload throws, each time, and leaves nothing to unload', async () => {
    const instance = await world.load('FaultyUnload')
    const thrown = { name: 'CustomError', message: 'thrown in onUnload' }
    await expect(instance.unload()).rejects.toMatchObject(thrown)
    await expect(instance.unload()).rejects.toMatchObject(thrown)
    await world.executor.close()
    expect(world.journal).toEqual(['load fixture v7', 'unload fixture v7'])
  })

  it('does not count as an exit of its own', async () => {
    const instance = await world.load('Echo')
    let exited = false
    instance.exited.then(() => {
      exited = true
    })
    await instance.unload()
    // What ends with the instance, such as a process, has ended once another has come and gone.
    await (await world.load('Echo')).unload()
    expect(exited).toBe(false)
  })

  it('does not wait for requests in flight, and none of them hangs', async () => {
    const instance = await world.load('Waiting')
    const request = requestOf('/request')
    const answering = world.send(instance, request)
    await world.call(instance, '/')
    await instance.unload()
    expect(world.journal).toContain('unload fixture v7')
    abortRequest(request)
    // Where the instance is gone with its thread or process they fail, else they are answered.
    const outcome = await answering.then(
      response => response.text(),
      (error: { readonly code?: string }) => error.code,
    )
    expect(['aborted', 'INSTANCE_EXITED']).toContain(outcome)
  })

  spinning('ends an instance whose onUnload never ends', async () => {
    const instance = await world.load('EndlessUnload')
    await expect(instance.unload()).rejects.toThrow()
    await world.executor.close()
  })

  spinning('ends an instance that spins', async () => {
    const instance = await world.load('Spinning')
    const call = world.call(instance, '/spin')
    void call.catch(() => {})
    await instance.unload().catch(() => {})
    await expect(call).rejects.toMatchObject({ code: 'INSTANCE_EXITED' })
  })

  it('comes with close, also where an onUnload throws', async () => {
    await Promise.all([world.load('Echo'), world.load('FaultyUnload'), world.load('Echo')])
    await world.executor.close()
    expect(world.journal.filter(line => line === 'load fixture v7')).toHaveLength(3)
    expect(world.journal.filter(line => line === 'unload fixture v7')).toHaveLength(3)
  })

  it('comes with close once, and nothing loads afterwards', async () => {
    await world.load('Echo')
    await Promise.all([world.executor.close(), world.executor[Symbol.asyncDispose]()])
    await world.executor.close()
    expect(world.journal).toEqual(['load fixture v7', 'unload fixture v7'])
    await expect(world.load('Echo')).rejects.toMatchObject({ code: 'DRAINING' })
  })

  it('comes with a close in the middle of a load', async () => {
    const loading = world.load('Echo')
    const outcome = loading.then(
      () => 'loaded',
      () => 'rejected',
    )
    await world.executor.close()
    await outcome
    const loads = world.journal.filter(line => line === 'load fixture v7').length
    expect(world.journal.filter(line => line === 'unload fixture v7')).toHaveLength(loads)
  })

  spinning('comes with close also for what never ends to load, unload or answer', async () => {
    const instances = await Promise.all([world.load('EndlessUnload'), world.load('Spinning')])
    void world.call(instances[1], '/spin').catch(() => {})
    const loading = world.load('SpinningLoad')
    void loading.catch(() => {})
    await eventually(() => world.journal.length).toBe(3)
    await world.executor.close()
    await expect(loading).rejects.toThrow()
  })
}
