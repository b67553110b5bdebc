import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { createTimers, type ScopedTimers } from '../../src/loader/timers.ts'

const { setTimeout: platformTimeout, setImmediate: platformImmediate } = globalThis

describe('scoped timers', () => {
  it('are the platform’s own objects, and pass their arguments on', async () => {
    const timers = createTimers()
    const kind = platformTimeout(() => {}, 0).constructor
    const seen = await new Promise<unknown[]>(settle => {
      const timer = timers.setTimeout(
        function (this: unknown, ...args: unknown[]) {
          settle([this === timer, ...args])
        },
        1,
        'a',
        2,
      )
      expect(timer).toBeInstanceOf(kind)
      expect(timer.hasRef()).toBe(true)
    })
    expect(seen).toEqual([true, 'a', 2])
    expect(timers.setImmediate(() => {})).toBeInstanceOf(platformImmediate(() => {}).constructor)
  })

  it('can be cleared, also by number', async () => {
    const timers = createTimers()
    const fired: string[] = []
    timers.clearTimeout(timers.setTimeout(() => fired.push('timeout'), 1))
    timers.clearTimeout(+timers.setTimeout(() => fired.push('number'), 1))
    timers.clearTimeout(String(+timers.setTimeout(() => fired.push('text'), 1)))
    timers.clearInterval(timers.setInterval(() => fired.push('interval'), 1))
    timers.clearImmediate(timers.setImmediate(() => fired.push('immediate')))
    timers.clearTimeout(undefined)
    await sleep(10)
    expect(fired).toEqual([])
  })

  it.each<[string, (timers: ScopedTimers, fire: () => void) => object]>([
    ['close', (timers, fire) => timers.setTimeout(fire, 1).close()],
    ['close of an interval', (timers, fire) => timers.setInterval(fire, 1).close()],
    [
      'using',
      (timers, fire) => {
        using timer = timers.setTimeout(fire, 1)
        return timer
      },
    ],
    [
      'using of an immediate',
      (timers, fire) => {
        using immediate = timers.setImmediate(fire)
        return immediate
      },
    ],
  ])('are let go of when they end by %s', async (_name, endOf) => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const timers = createTimers()
    const fired: string[] = []
    const ended = new WeakRef(endOf(timers, () => fired.push('late')))
    await sleep(10)
    collect()
    expect(fired).toEqual([])
    expect(ended.deref()).toBeUndefined()
    timers.dispose()
  })

  it('of every kind end when the scope does', async () => {
    const timers = createTimers()
    const fired: string[] = []
    const timeout = timers.setTimeout(() => fired.push('timeout'), 1)
    const interval = timers.setInterval(() => fired.push('interval'), 1)
    timers.setImmediate(() => fired.push('immediate'))
    promisify(timers.setTimeout)(1).then(() => fired.push('promise'))
    timers.dispose()
    timers.dispose()
    timers.setTimeout(() => fired.push('late'), 0)
    await sleep(10)
    expect(fired).toEqual([])
    expect(process.getActiveResourcesInfo()).not.toContain('Immediate')
    expect(
      [timeout, interval].map(timer => (timer as { _destroyed?: boolean })._destroyed),
    ).toEqual([true, true])
  })

  it('that set themselves again end too', async () => {
    const timers = createTimers()
    let count = 0
    await new Promise<void>(settle => {
      const timer = timers.setTimeout(() => {
        count += 1
        timer.refresh()
        if (count === 2) settle()
      }, 1)
    })
    timers.dispose()
    await sleep(20)
    expect(count).toBe(2)
  })

  it('work with util.promisify', async () => {
    const timers = createTimers()
    expect(await promisify(timers.setTimeout)(1, 'value')).toBe('value')
    expect(await promisify(timers.setImmediate)('soon')).toBe('soon')
    const aborted = promisify(timers.setTimeout)(1000, 'value', { signal: AbortSignal.abort() })
    await expect(aborted).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('refuse what is no function as the platform does', () => {
    expect(() => createTimers().setTimeout('code' as never, 1)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }),
    )
  })
})
