import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { createLogger } from '../../../src/telemetry/logger.ts'
import type { ExecutorWorld, MakeHarness } from './world.ts'

const LOOK_MS = 20

/** Nothing stays behind: no handle, no thread, no process. */
export function describeLeftovers(world: ExecutorWorld, makeHarness: MakeHarness): void {
  /** A whole life of an executor beside that of the test. */
  const live = async (use: (harness: Awaited<ReturnType<MakeHarness>>) => Promise<void>) => {
    const harness = await makeHarness(createLogger({ level: 'silent' }))
    await use(harness)
    await Promise.all([harness.executor.close(), harness.executor.close()])
    await harness.close?.()
  }

  it('leaves nothing of a life of loads, requests and unloads', async () => {
    const round = () =>
      live(async ({ executor }) => {
        const deployment = await world.deployment('Mirror')
        executor.prepare(deployment)
        const instances = await Promise.all([executor.load(deployment), executor.load(deployment)])
        for (const instance of instances) {
          const response = await world.call(instance, '/stream', { method: 'POST', body: 'body' })
          expect(await response.text()).toBe('body')
        }
        await instances[0].unload()
        await executor.forget(deployment)
      })
    // What the runtime itself starts for the first of its kind stays for good.
    await round()
    const before = leftovers()
    await round()
    await nothingBeside(before)
  })

  it('leaves nothing of a life that was closed before anything was used', async () => {
    const round = () =>
      live(async ({ executor }) => {
        const deployment = await world.deployment('Mirror')
        executor.prepare(deployment)
        void executor.load(deployment).catch(() => {})
      })
    await round()
    const before = leftovers()
    await round()
    await nothingBeside(before)
  })
}

/** How many there are of each kind of thing that can stay. */
type Leftovers = ReadonlyMap<string, number>

function leftovers(): Leftovers {
  const counts = new Map<string, number>()
  const count = (kind: string) => counts.set(kind, (counts.get(kind) ?? 0) + 1)
  for (const resource of process.getActiveResourcesInfo()) count(resource)
  for (const _thread of threads()) count('thread of this process')
  for (const child of children()) count(`child process ${child}`)
  return counts
}

/** Waits until there is nothing beside `before`; where something stays, the test times out. */
async function nothingBeside(before: Leftovers): Promise<void> {
  const beside = () =>
    [...leftovers()]
      .filter(([kind, count]) => count > (before.get(kind) ?? 0))
      .map(([kind]) => kind)
  const until = performance.now() + 10_000
  while (beside().length > 0 && performance.now() < until) await delay(LOOK_MS)
  expect(beside()).toEqual([])
}

/** Linux alone tells; elsewhere there seem to be none. */
function threads(): string[] {
  return process.platform === 'linux' ? readdirSync('/proc/self/task') : []
}

/** Ids of this process's children. */
function children(): string[] {
  return threads().flatMap(thread => {
    const list = readFileSync(`/proc/self/task/${thread}/children`, 'utf8')
    return list.split(' ').filter(id => id !== '')
  })
}
