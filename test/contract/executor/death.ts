import { expect, it } from 'vitest'
import type { Instance } from '../../../src/function/contract.ts'
import { caseFor, type ExecutorTrait, type LackingTraits } from './traits.ts'
import { type Declared, type ExecutorWorld, eventually } from './world.ts'

/** Enough for Node itself, and a small part of what the fixture wants. */
const MEMORY = '256MiB'

const gone = { code: 'INSTANCE_EXITED' }

/** An instance that ends on its own takes along its own requests, and nothing else. */
export function describeDeath(world: ExecutorWorld, lacking: LackingTraits): void {
  const death = caseFor('death', lacking)

  /** What is so after each death: the neighbour serves, the dead one is at rest, the next lives. */
  const expectLifeToGoOn = async (dead: Instance, neighbour: Instance) => {
    expect((await world.call(neighbour, '/')).status).toBe(201)
    await expect(world.call(dead, '/')).rejects.toMatchObject(gone)
    await dead.unload()
    const next = await world.load('Mortal')
    expect(await (await world.call(next, '/')).text()).toBe('fine')
  }

  it('does not happen to an instance that nothing happens to', async () => {
    const instance = await world.load('Echo')
    await (await world.call(instance, '/')).json()
    const other = world.load('Echo').then(() => 'alive')
    expect(await Promise.race([instance.exited, other])).toBe('alive')
  })

  const cases: readonly (readonly [string, ExecutorTrait, string, string, Declared])[] = [
    ['process.exit', 'death', '/exit', 'crash', {}],
    ['process.abort', 'abort', '/abort', 'crash', {}],
    ['a heap past its limit', 'heap', '/heap', 'out-of-memory', { memory: MEMORY }],
    ['buffers past its limit', 'memory', '/buffers', 'out-of-memory', { memory: MEMORY }],
  ]
  for (const [name, trait, target, reason, declared] of cases) {
    caseFor(trait, lacking)(`fails what is in flight: ${name}`, async () => {
      const neighbour = await world.load('Echo')
      const instance = await world.load('Mortal', declared)
      const reader = (await world.call(instance, '/stream')).body!.getReader()
      expect(Buffer.from((await reader.read()).value!).toString()).toBe('begun')
      const waiting = ['/wait', '/wait', target].map(path => world.call(instance, path))
      const settled = Promise.allSettled(waiting)
      const reading = Promise.allSettled([reader.read()])

      expect(await instance.exited).toMatchObject({ reason })
      expect(await settled).toMatchObject(waiting.map(() => ({ status: 'rejected', reason: gone })))
      expect(await reading).toMatchObject([{ status: 'rejected' }])
      await expectLifeToGoOn(instance, neighbour)
    })
  }

  death('is told of an instance that was idle', async () => {
    const neighbour = await world.load('Echo')
    const instance = await world.load('Mortal')
    expect(await (await world.call(instance, '/exit-soon')).text()).toBe('soon')
    expect(await instance.exited).toMatchObject({ reason: 'crash' })
    await expectLifeToGoOn(instance, neighbour)
  })

  death('fails a load', async () => {
    await expect(world.load('MortalLoad', { env: { DIE: 'yes' } })).rejects.toThrow()
    const instance = await world.load('MortalLoad')
    expect(await (await world.call(instance, '/')).text()).toBe('fine')
  })

  death('ends an unload', async () => {
    const instance = await world.load('MortalUnload')
    await instance.unload().catch(() => {})
    await world.load('MortalUnload')
    await world.executor.close()
  })

  caseFor('pid', lacking)('comes from outside too', async () => {
    const neighbour = await world.load('Echo')
    const instance = await world.load('Mortal')
    const pid = (await (await world.call(instance, '/pid')).json()) as number
    expect(pid).not.toBe(process.pid)
    const settled = Promise.allSettled([world.call(instance, '/wait')])
    process.kill(pid, 'SIGKILL')
    expect(await instance.exited).toMatchObject({ reason: 'killed' })
    expect(await settled).toMatchObject([{ status: 'rejected', reason: gone }])
    await expectLifeToGoOn(instance, neighbour)
  })

  for (const [target, message] of [
    ['/rejection', 'a rejection that nobody handles'],
    ['/exception', 'an exception that nobody catches'],
  ] as const) {
    death(`does not come of ${message}, which is logged`, async () => {
      const instance = await world.load('Mortal')
      expect(await (await world.call(instance, target)).text()).toBe('alive')
      const line = () => world.lines.find(found => JSON.stringify(found).includes(message))
      await eventually(line).toMatchObject({ level: 'error', functionId: 'fixture' })
      expect(await (await world.call(instance, '/')).text()).toBe('fine')
    })
  }
}
