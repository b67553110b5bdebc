import { describe, expect, it } from 'vitest'
import type { Execution } from '../../src/function/execution.ts'
import { FezzResponse } from '../../src/http/web/fezz-response.ts'
import { settled } from '../helpers/fake-clock.ts'
import { watch } from '../helpers/watch.ts'
import { openStream } from '../runtime/host-setup.ts'
import {
  IDLE_TTL_MS,
  LOAD_TIMEOUT_MS,
  type PooledInstance,
  setup,
  TIMEOUT_MS,
} from './pool-setup.ts'

/** Two instances at most, the second when the first has two requests. */
const GROWING: Execution = { maxInstances: 2, instanceConcurrency: 2 }

/** A pool of one that has grown to `count` under load, which is over. */
async function grown(count: number, execution: Execution = {}) {
  const all = setup()
  const pool = await all.load({ instanceConcurrency: 1, maxInstances: count, ...execution })
  while (all.source.instances.length < count) {
    all.request(pool)
    await settled()
  }
  all.answerAll()
  await settled()
  return { ...all, pool }
}

describe('a pooled source', () => {
  it.each<Execution>([{}, { instances: 1 }, { minInstances: 1, maxInstances: 1 }])(
    'gives the instance of its source where one is wanted: %o',
    async execution => {
      const { load, source } = setup()
      expect(await load(execution)).toBe(source.instances[0])
      expect(source.loads).toBe(1)
    },
  )

  it.each<[Execution, number]>([
    [{ instances: 3 }, 3],
    [{ minInstances: 2 }, 2],
    [{ instances: 2, minInstances: 4, maxInstances: 9 }, 4],
    [{ maxInstances: 5 }, 1],
  ])('begins with as many as are wanted: %o', async (execution, count) => {
    const { load, source } = setup()
    await load(execution)
    expect(source.instances).toHaveLength(count)
  })

  it('passes on what is prepared, forgotten and closed, once', async () => {
    const { pooled, source, load, unloads } = setup()
    const deployment = { manifest: { id: 'f' } } as never
    pooled.prepare(deployment)
    await load({ instances: 2 })
    await pooled.forget(deployment)
    await Promise.all([pooled.close(), pooled.close(), pooled[Symbol.asyncDispose]()])
    expect(source.calls).toEqual(['prepare f', 'forget f', 'close'])
    expect(unloads()).toEqual([1, 1])
  })

  it('unloads what loads while it closes', async () => {
    const { pooled, source, load, unloads } = setup()
    const gate = Promise.withResolvers<void>()
    source.loading = () => gate.promise
    const loading = watch(load({ instances: 2 }))
    await pooled.close()
    gate.resolve()
    await settled()
    expect(loading.state).toBe('rejected')
    expect(unloads()).toEqual([1, 1])
  })
})

describe('the start of a pool', () => {
  it('is over when all have loaded', async () => {
    const { load, source } = setup()
    const gate = Promise.withResolvers<void>()
    source.loading = nth => (nth === 1 ? gate.promise : Promise.resolve())
    const loading = watch(load({ instances: 3 }))
    await settled()
    expect(loading.state).toBe('waiting')
    expect(source.loads).toBe(3)
    gate.resolve()
    await settled()
    expect(loading.state).toBe('fulfilled')
  })

  it('fails with the first that fails; the others are unloaded', async () => {
    const { load, source, unloads, clock } = setup()
    const error = new Error('onLoad threw')
    source.loading = nth => (nth === 1 ? Promise.reject(error) : Promise.resolve())
    await expect(load({ instances: 3 })).rejects.toBe(error)
    expect(unloads()).toEqual([1, 1])
    expect(clock.pending).toBe(0)
  })

  it('replaces one that died before the others were there', async () => {
    const { load, source, usable } = setup()
    const gate = Promise.withResolvers<void>()
    source.loading = nth => (nth === 1 ? gate.promise : Promise.resolve())
    const loading = watch(load({ instances: 2 }))
    await settled()
    source.instances[0]!.die()
    gate.resolve()
    await settled()
    expect(loading.state).toBe('fulfilled')
    await settled()
    expect(usable()).toEqual([1, 2])
  })
})

describe('a request', () => {
  it('goes to the instance with the fewest, equals in turn', async () => {
    const { load, requests, source, served } = setup()
    const pool = await load({ instances: 3 })
    requests(pool, 6)
    expect(served()).toEqual([2, 2, 2])
    source.instances[1]!.served[0]!.answer(FezzResponse.text('ok'))
    await settled()
    requests(pool, 1)
    expect(served()).toEqual([2, 3, 2])
  })

  it('is in use until its stream has ended', async () => {
    const { load, request, source, served } = setup()
    const pool = await load({ instances: 2 })
    const first = request(pool)
    const stream = openStream()
    const [busy, free] = source.instances[0]!.served.length === 1 ? [0, 1] : [1, 0]
    source.instances[busy]!.served[0]!.answer(new Response(stream.body))
    await settled()
    request(pool)
    expect(served()[free]).toBe(1)
    source.instances[free]!.served[0]!.answer(FezzResponse.text('ok'))
    await settled()
    request(pool)
    expect(served()[free]).toBe(2)

    stream.send('a')
    stream.end()
    expect(await first.value!.text()).toBe('a')
    request(pool)
    expect(served()[busy]).toBe(2)
  })

  it('that is never answered is in use for its timeout, and no longer', async () => {
    const { load, request, clock, source } = setup()
    const pool = await load(GROWING)
    request(pool)
    request(pool)
    await clock.advance(TIMEOUT_MS)
    request(pool)
    await settled()
    expect(source.instances).toHaveLength(1)
    expect(source.instances[0]!.served).toHaveLength(3)
  })

  it('gets what the instance throws, and an answer that cannot be sent, as they are', async () => {
    const { load, request, source } = setup()
    const pool = await load({ instances: 2 })
    const failed = request(pool)
    const wrong = request(pool)
    const error = new Error('thrown')
    const [one, other] = source.instances as [PooledInstance, PooledInstance]
    one.served[0]!.fail(error)
    other.served[0]!.answer('text' as never)
    await settled()
    expect([failed, wrong].map(each => each.error ?? each.value)).toEqual(
      expect.arrayContaining([error, 'text']),
    )
  })

  it('keeps its instance by waitUntil, which the host is told of, too', async () => {
    const { load, request, source, waited, served } = setup()
    const pool = await load({ instances: 2 })
    request(pool)
    const busy = source.instances.findIndex(each => each.served.length === 1)
    const background = Promise.withResolvers<void>()
    source.instances[busy]!.served[0]!.context.waitUntil(background.promise)
    source.instances[busy]!.served[0]!.answer(FezzResponse.text('ok'))
    await settled()
    expect(waited).toEqual([background.promise])
    request(pool)
    expect(served()[1 - busy]).toBe(1)
    background.reject(new Error('in the background'))
    await settled()
    request(pool)
    expect(served()[busy]).toBe(2)
  })
})

describe('growth', () => {
  it('comes with the request for which no instance has room, and is waited for by none', async () => {
    const { load, requests, source, served } = setup()
    const pool = await load(GROWING)
    requests(pool, 2)
    await settled()
    expect(source.loads).toBe(1)
    const gate = Promise.withResolvers<void>()
    source.loading = () => gate.promise
    requests(pool, 3)
    await settled()
    expect(source.loads).toBe(2)
    expect(served()).toEqual([5])
    gate.resolve()
    await settled()
    requests(pool, 5)
    expect(served()).toEqual([5, 5])
  })

  it('is one at a time, and ends at maxInstances', async () => {
    const { load, requests, source } = setup()
    const pool = await load({ maxInstances: 3, instanceConcurrency: 1 })
    const gates: (() => void)[] = []
    source.loading = () => new Promise(resolve => gates.push(resolve))
    requests(pool, 50)
    await settled()
    expect(gates).toHaveLength(1)
    for (let i = 0; i < 5; i++) {
      gates.shift()?.()
      await settled()
      requests(pool, 50)
      await settled()
    }
    expect(source.instances).toHaveLength(3)
  })

  it('by default comes with the eleventh request', async () => {
    const { load, requests, source } = setup()
    const pool = await load({ maxInstances: 2 })
    requests(pool, 10)
    await settled()
    expect(source.loads).toBe(1)
    requests(pool, 1)
    await settled()
    expect(source.loads).toBe(2)
  })

  it('that fails is tried again with a wait, and hurts nobody', async () => {
    const { load, requests, source, clock } = setup()
    const pool = await load(GROWING)
    source.loading = () => Promise.reject(new Error('no memory'))
    const served = requests(pool, 5)
    await clock.advance(49)
    requests(pool, 5)
    await settled()
    expect(source.loads).toBe(2)
    await clock.advance(1)
    source.loading = () => Promise.resolve()
    requests(pool, 1)
    await settled()
    expect(source.instances).toHaveLength(2)
    expect(served.map(each => each.state)).not.toContain('rejected')
  })

  it('that takes too long is a failure, and is unloaded when it comes', async () => {
    const { load, requests, source, clock, unloads, usable } = setup()
    const pool = await load(GROWING)
    const gate = Promise.withResolvers<void>()
    source.loading = () => gate.promise
    requests(pool, 3)
    await clock.advance(LOAD_TIMEOUT_MS)
    gate.resolve()
    await settled()
    expect(unloads()).toEqual([0, 1])
    expect(usable()).toEqual([0])
  })
})

describe('shrinking', () => {
  it('takes what was not needed for the idle time', async () => {
    const { clock, usable, unloads } = await grown(4)
    await clock.advance(IDLE_TTL_MS - 1)
    expect(usable()).toHaveLength(4)
    await clock.advance(IDLE_TTL_MS + 1)
    expect(usable()).toHaveLength(1)
    expect(unloads().toSorted()).toEqual([0, 1, 1, 1])
    expect(clock.pending).toBe(0)
  })

  it('leaves those of the start', async () => {
    const { clock, usable } = await grown(4, { instances: 2 })
    await clock.advance(10 * IDLE_TTL_MS)
    expect(usable()).toHaveLength(2)
  })

  it('leaves what the busiest moment needs, although requests take turns', async () => {
    const { clock, usable, requests, pool, answerAll } = await grown(4)
    for (let i = 0; i < 50; i++) {
      requests(pool, 2)
      await settled()
      answerAll()
      await clock.advance(IDLE_TTL_MS / 10)
    }
    expect(usable()).toHaveLength(2)
  })

  it.each([1, 2, 3])('leaves what is in use, whichever it is: %i', async turn => {
    const { clock, usable, request, pool, source, answerAll } = await grown(3)
    for (let i = 0; i < turn; i++) {
      answerAll()
      await settled()
      request(pool)
    }
    const before = source.instances.map(({ served }) => served.length)
    const busy = source.instances.find(({ served }) => served.at(-1)?.isOpen)!
    await clock.advance(2.5 * IDLE_TTL_MS)
    expect(before).toEqual(source.instances.map(({ served }) => served.length))
    expect(usable()).toEqual([busy.name])
  })

  it('makes room for another only when it is over', async () => {
    const { clock, source, pool, requests, usable } = await grown(2)
    const gate = Promise.withResolvers<void>()
    source.unloading = () => gate.promise
    await clock.advance(2 * IDLE_TTL_MS)
    expect(usable()).toHaveLength(1)
    requests(pool, 5)
    await settled()
    expect(source.loads).toBe(2)
    gate.resolve()
    await settled()
    requests(pool, 1)
    await settled()
    expect(source.loads).toBe(3)
  })

  it('leaves all while all are in use', async () => {
    const { clock, usable, requests, pool, source } = await grown(3)
    requests(pool, 3)
    await clock.advance(3 * IDLE_TTL_MS - 1)
    expect(usable()).toHaveLength(3)
    for (const each of source.instances) expect(each.unloads).toBe(0)
  })

  it('goes by the ttl of the function where it has one', async () => {
    const { load, requests, answerAll, clock, usable } = setup()
    const pool = await load(GROWING, { idleTtlMs: 500 })
    requests(pool, 3)
    await settled()
    answerAll()
    await clock.advance(1_000)
    expect(usable()).toHaveLength(1)
  })
})

describe('a death', () => {
  it('fails its requests alone; the others serve on while it is replaced', async () => {
    const { load, requests, source, usable, served } = setup()
    const pool = await load({ instances: 2 })
    const watched = requests(pool, 2)
    const exited = watch(pool.exited)
    source.instances[0]!.die()
    await settled()
    expect(watched.map(each => each.state).toSorted()).toEqual(['rejected', 'waiting'])
    expect(exited.state).toBe('waiting')
    expect(usable()).toEqual([1, 2])
    requests(pool, 1)
    expect(served()).toEqual([1, 1, 1])
  })

  it('that repeats is answered with longer and longer waits', async () => {
    const { load, source, clock } = setup()
    await load({ instances: 2 })
    const waits: number[] = []
    for (let i = 0; i < 5; i++) {
      source.instances.at(-1)!.die()
      await settled()
      waits.push(clock.nextInMs ?? 0)
      await clock.advance(clock.nextInMs ?? 0)
    }
    expect(waits).toEqual([0, 100, 200, 400, 800])
    await clock.advance(30_000)
    source.instances.at(-1)!.die()
    await settled()
    expect(source.instances.at(-1)!.dead).toBe(false)
  })

  it('of a surplus instance is not made good', async () => {
    const { source, usable } = await grown(2)
    source.instances[0]!.die()
    await settled()
    expect(usable()).toEqual([1])
    expect(source.loads).toBe(2)
  })

  it('of the last is the exit of the whole, with its reason', async () => {
    const { load, source, clock, request, unloads } = setup()
    const pool = await load({ instances: 2 })
    const exited = watch(pool.exited)
    const gate = Promise.withResolvers<void>()
    source.loading = () => gate.promise
    source.instances[0]!.die('crash')
    await settled()
    source.instances[1]!.die('out-of-memory')
    await settled()
    expect(exited.value).toMatchObject({ reason: 'out-of-memory' })
    const late = request(pool)
    await settled()
    expect(late.error).toMatchObject({ code: 'INSTANCE_EXITED' })
    // What was on its way comes to nothing.
    gate.resolve()
    await settled()
    expect(unloads()).toEqual([0, 0, 1])
    expect(clock.pending).toBe(0)
  })
})

describe('unload', () => {
  it('unloads every instance once, however often it is called', async () => {
    const { load, unloads, clock } = setup()
    const pool = await load({ instances: 3, maxInstances: 5 })
    await Promise.all([pool.unload(), pool.unload()])
    await pool.unload()
    expect(unloads()).toEqual([1, 1, 1])
    expect(clock.pending).toBe(0)
  })

  it('waits for one that is being loaded, and unloads it', async () => {
    const { load, requests, source, unloads } = setup()
    const pool = await load(GROWING)
    const gate = Promise.withResolvers<void>()
    source.loading = () => gate.promise
    requests(pool, 3)
    const unloading = watch(pool.unload())
    await settled()
    expect(unloading.state).toBe('waiting')
    gate.resolve()
    await settled()
    expect(unloading.state).toBe('fulfilled')
    expect(unloads()).toEqual([1, 1])
  })

  it('waits for one that leaves already', async () => {
    const { clock, source, pool } = await grown(2)
    const gate = Promise.withResolvers<void>()
    source.unloading = () => gate.promise
    await clock.advance(2 * IDLE_TTL_MS)
    const unloading = watch(pool.unload())
    await settled()
    expect(unloading.state).toBe('waiting')
    gate.resolve()
    await settled()
    expect(unloading.state).toBe('fulfilled')
  })

  it('gives no request to anything any more', async () => {
    const { load, request, served } = setup()
    const pool = await load({ instances: 2 })
    void pool.unload()
    const late = request(pool)
    await settled()
    expect(late.error).toMatchObject({ code: 'INSTANCE_EXITED' })
    expect(served()).toEqual([0, 0])
  })

  it('throws what one onUnload threw when all are unloaded', async () => {
    const { load, source, unloads } = setup()
    const pool = await load({ instances: 3 })
    const error = new Error('onUnload threw')
    source.unloading = ({ name }) => (name === 1 ? Promise.reject(error) : Promise.resolve())
    await expect(pool.unload()).rejects.toBe(error)
    expect(unloads()).toEqual([1, 1, 1])
  })

  it('does not report an instance that dies of it', async () => {
    const { load, source } = setup()
    const pool = await load({ instances: 2 })
    const exited = watch(pool.exited)
    const unloading = pool.unload()
    for (const each of source.instances) each.die()
    await unloading
    await settled()
    expect(exited.state).toBe('waiting')
  })
})
