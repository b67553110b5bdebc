import { expect, it } from 'vitest'
import { caseFor, type LackingTraits } from './traits.ts'
import { type ExecutorWorld, eventually } from './world.ts'

/** What the host's log has of a function. */
export function describeLog(world: ExecutorWorld, lacking: LackingTraits): void {
  /** Whether a line with these messages is in the log, in this order. */
  const logged = () => world.lines.map(({ msg }) => msg)
  const line = (message: string) => world.lines.find(({ msg }) => msg === message)

  it('has what the hooks log, with the id of the function', async () => {
    const instance = await world.load('Talkative')
    await eventually(logged).toContain('from onLoad')
    await instance.unload()
    await eventually(logged).toContain('from onUnload')
    expect(line('from onLoad')).toMatchObject({
      level: 'info',
      functionId: 'fixture',
      hook: 'onLoad',
    })
    expect(line('from onUnload')).toMatchObject({ functionId: 'fixture', hook: 'onUnload' })
  })

  it('has what a request logs, with its id, its fields and its errors', async () => {
    const instance = await world.load('Talkative')
    const more = { requestId: 'request-9' }
    expect(await (await world.call(instance, '/', {}, more)).text()).toBe('logged')
    await eventually(logged).toContain('with odd fields')
    const ids = { functionId: 'fixture', requestId: 'request-9' }
    const fields = { colour: 'blue', nested: { deep: [1, 2] } }
    expect(line('with fields')).toMatchObject({ level: 'warn', ...ids, ...fields })
    expect(line('without fields')).toMatchObject({ level: 'info', ...ids })
    expect(line('with an error')).toMatchObject({
      level: 'error',
      ...ids,
      part: 'child',
      err: { type: 'RangeError', message: 'logged' },
    })
  })

  caseFor('console', lacking)('has what a function prints', async () => {
    const instance = await world.load('Talkative')
    await (await world.call(instance, '/console')).text()
    const text = () => JSON.stringify(world.lines)
    await eventually(text).toContain('printed with console.log')
    await eventually(text).toContain('printed with console.error')
    const printed = world.lines.find(found => JSON.stringify(found).includes('console.log'))
    expect(printed).toMatchObject({ functionId: 'fixture' })
  })
}
