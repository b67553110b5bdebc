import { readdirSync } from 'node:fs'
import { describe, expect, it, onTestFinished } from 'vitest'
import { WorkerPool } from '../../../src/executors/thread/worker-pool.ts'
import type { Deployment } from '../../../src/function/contract.ts'
import { checkManifest } from '../../../src/function/manifest-schema.ts'
import { ask, deploymentOf, threads } from './setup.ts'

function poolOf(warm: number): WorkerPool {
  const pool = new WorkerPool(warm)
  onTestFinished(() => pool.close())
  return pool
}

function wanting(memory?: string): Deployment {
  const manifest = checkManifest({ id: 'f', ...(memory && { memory }) }, 'test')
  return { manifest, code: { kind: 'live', value: {}, webTypes: 'fezz' }, env: {} }
}

describe('WorkerPool', () => {
  it('starts nothing before something is to be loaded', () => {
    expect(poolOf(2).idle).toBe(0)
  })

  it('keeps as many ready as it was told, however often it is asked', () => {
    const pool = poolOf(2)
    const deployment = wanting()
    pool.prepare(deployment)
    pool.prepare(deployment)
    pool.prepare(wanting())
    expect(pool.idle).toBe(2)
  })

  it('gives away what is ready, and replaces it when it is told to', async () => {
    const pool = poolOf(1)
    const deployment = wanting()
    pool.prepare(deployment)
    const first = pool.take(deployment)
    expect(pool.idle).toBe(0)
    pool.refill(deployment)
    const second = pool.take(deployment)
    const third = pool.take(deployment)
    expect(new Set([first, second, third]).size).toBe(3)
    await Promise.all([first, second, third].map(thread => thread.kill()))
  })

  it('keeps threads of each limit apart, as long as someone wants them', async () => {
    const pool = poolOf(1)
    const [plain, small, alsoSmall] = [wanting(), wanting('64MiB'), wanting('64MiB')]
    for (const deployment of [plain, small, alsoSmall]) pool.prepare(deployment)
    expect(pool.idle).toBe(2)
    await pool.forget(small)
    expect(pool.idle).toBe(2)
    await pool.forget(alsoSmall)
    expect(pool.idle).toBe(1)
    await pool.forget(plain)
    await pool.forget(plain)
    await pool.forget(wanting('1GiB'))
    expect(pool.idle).toBe(0)
  })

  it('replaces nothing for what was forgotten', async () => {
    const pool = poolOf(1)
    const deployment = wanting()
    const thread = pool.take(deployment)
    await pool.forget(deployment)
    pool.refill(deployment)
    expect(pool.idle).toBe(0)
    await thread.kill()
  })

  it('gives away no thread that has died', async () => {
    const pool = poolOf(1)
    const deployment = wanting()
    pool.prepare(deployment)
    const thread = pool.take(deployment)
    await thread.kill()
    pool.refill(deployment)
    expect(pool.take(deployment)).not.toBe(thread)
  })

  it('starts nothing once it is closed', async () => {
    const pool = poolOf(1)
    const deployment = wanting()
    pool.prepare(deployment)
    await Promise.all([pool.close(), pool.close()])
    pool.prepare(deployment)
    pool.refill(deployment)
    expect(pool.idle).toBe(0)
  })
})

describe('ThreadExecutor', () => {
  it('starts no thread for a load that was prepared', async () => {
    const { executor } = threads()
    const deployment = await deploymentOf(`
      import { threadId } from 'node:worker_threads'
      export default { fetch: () => Response.json(threadId) }`)
    executor.prepare(deployment)
    const cold = await executor.load(deployment)
    // Ids are given one after the other: the thread that was ready came before its replacement.
    const warm = await executor.load(deployment)
    const ids = await Promise.all(
      [cold, warm].map(async instance => Number(await ask(instance).text())),
    )
    expect(ids[1]! - ids[0]!).toBe(1)
    expect(executor.idle).toBe(1)
  })

  it('loads also where no thread is kept ready', async () => {
    const { executor } = threads({ warm: 0 })
    const deployment = await deploymentOf("export default { fetch: () => new Response('fine') }")
    executor.prepare(deployment)
    expect(executor.idle).toBe(0)
    expect(await ask(await executor.load(deployment)).text()).toBe('fine')
  })

  it('ends every thread that it has started', async () => {
    const { executor } = threads({ warm: 3 })
    const before = tasks()
    const deployment = await deploymentOf("export default { fetch: () => new Response('fine') }")
    await executor.load(deployment)
    expect(tasks()).toBeGreaterThan(before)
    await executor.close()
    await expect.poll(tasks).toBeLessThanOrEqual(before + 1)
  })
})

/** Threads of this process; elsewhere than on Linux there seem to be none. */
function tasks(): number {
  return process.platform === 'linux' ? readdirSync('/proc/self/task').length : 0
}
