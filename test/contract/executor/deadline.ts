import { expect } from 'vitest'
import { abortRequest } from '../../../src/http/web/incoming-request.ts'
import { caseFor, type LackingTraits } from './traits.ts'
import { type ExecutorWorld, eventually, requestOf } from './world.ts'

/** What becomes of an instance that does not heed the abort of its request. */
export function describeDeadline(world: ExecutorWorld, lacking: LackingTraits): void {
  const spinning = caseFor('spinning', lacking)
  const timeout = () => new DOMException('took too long', 'TimeoutError')

  spinning('ends an instance whose event loop does not turn', async () => {
    const neighbour = await world.load('Echo')
    const instance = await world.load('Spinning')
    const request = requestOf('/spin')
    // The one that was aborted fails too, by that or by the death.
    const aborted = expect(world.send(instance, request)).rejects.toThrow()
    const behind = world.call(instance, '/behind')
    const failed = expect(behind).rejects.toMatchObject({ code: 'INSTANCE_EXITED' })
    abortRequest(request, timeout())
    expect(await instance.exited).toMatchObject({ reason: 'killed' })
    await aborted
    await failed
    await instance.unload()
    expect((await world.call(neighbour, '/')).status).toBe(201)
    const next = await world.load('Spinning')
    expect(await (await world.call(next, '/')).text()).toBe('fine')
  })

  spinning('leaves alone an instance whose event loop turns', async () => {
    const deaf = await world.load('Waiting')
    const doomed = await world.load('Spinning')
    const ignored = requestOf('/deaf')
    const spun = requestOf('/spin')
    void world.send(deaf, ignored).catch(() => {})
    void world.send(doomed, spun).catch(() => {})
    await eventually(async () => (await world.call(deaf, '/count')).json()).toBe(1)
    abortRequest(ignored, timeout())
    abortRequest(spun, timeout())
    // The one that spins was aborted later: when it is gone, the other has been spared.
    await doomed.exited
    expect(await (await world.call(deaf, '/count')).json()).toBe(1)
  })
}
