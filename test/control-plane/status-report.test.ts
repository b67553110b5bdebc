import { describe, expect, it } from 'vitest'
import { StatusReport } from '../../src/control-plane/status-report.ts'
import { settled } from '../helpers/fake-clock.ts'
import { KEY, MembershipWorld } from './membership-world.ts'
import { RecordedLog } from './recorded-log.ts'

const STATUS_KEY = 'fezz/v1/status/a'
const status = (revision: number) => ({ revision: String(revision), functions: 1, problems: [] })

async function setup(world: MembershipWorld) {
  const { membership, store, join } = world.host()
  const { clock } = world
  const log = new RecordedLog()
  const random = () => 1
  const report = new StatusReport({ store, nodeId: 'a', membership, log, clock, random })
  const written = async () => {
    const found = (await world.data.list(STATUS_KEY)).entries.get(STATUS_KEY)
    return found && Number(JSON.parse(found.value).revision)
  }
  return { membership, store, report, written, join }
}

describe('the report of a host', () => {
  it('is written at once, then every 100 ms at most, the last one for sure', async () => {
    await using world = new MembershipWorld()
    const { report, written, store, join } = await setup(world)
    await join()
    store.puts = 0
    for (let revision = 1; revision <= 50; revision++) {
      report.report(status(revision))
      await settled()
      if (revision === 1) expect(await written()).toBe(1)
      await world.clock.advance(10)
    }
    await world.clock.advance(100)
    expect(await written()).toBe(50)
    expect(store.puts).toBeLessThanOrEqual(7)
    await world.clock.advance(10_000)
    report.report(status(50))
    await world.clock.advance(10_000)
    expect(store.puts).toBeLessThanOrEqual(7)
    report.report(status(51))
    await settled()
    expect(await written()).toBe(51)
    await report.close()
    report.report(status(52))
    await world.clock.advance(1_000)
    expect(await written()).toBe(51)
  })

  it('waits for the host to be registered, and goes with it', async () => {
    await using world = new MembershipWorld()
    const { report, written, membership, join } = await setup(world)
    report.report(status(1))
    await world.clock.advance(1_000)
    expect(await written()).toBeUndefined()
    await join()
    await settled()
    expect(await written()).toBe(1)
    await membership.leave()
    expect(await written()).toBeUndefined()
    await report.close()
    expect(world.clock.pending).toBe(0)
  })

  it('is written again under a new lease', async () => {
    await using world = new MembershipWorld()
    const { report, written, join } = await setup(world)
    await join()
    report.report(status(1))
    await world.clock.advance(1_000)
    world.data.endLease(KEY)
    expect(await written()).toBeUndefined()
    await settled()
    expect(await written()).toBe(1)
    await report.close()
  })

  it('is tried again until the store has it', async () => {
    await using world = new MembershipWorld()
    const { report, written, store, join } = await setup(world)
    await join()
    store.cut()
    report.report(status(1))
    await world.clock.advance(60_000)
    store.mend()
    await world.clock.advance(5_000)
    expect(await written()).toBe(1)
    await Promise.all([report.close(), report.close()])
  })
})
