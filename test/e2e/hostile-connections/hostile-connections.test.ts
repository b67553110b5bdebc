import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AttackedHost, type Memory } from './attacked-host.ts'
import { ATTACKED_LISTENERS, ATTACKS, isAll } from './extent.ts'
import { NormalClients } from './normal-clients.ts'
import { type Trial, tryAttack } from './trial.ts'
import { trialReport } from './trial-report.ts'

const TRIAL_MS = 40_000
/** What two cores that others use as well add to a 99th percentile now and then. */
const NOISE_MS = 50
/** That is more often there in one of several trials than in each. */
const RETRIES = 2
/** What a host keeps for the next time: compiled code, pools of buffers. */
const KEPT_BYTES = 16 * 2 ** 20
/** And what the allocator does not give back: pages with a few small blocks left in them. */
const KEPT_RESIDENT_BYTES = 400 * 2 ** 20

describe.each(ATTACKED_LISTENERS)('100 hostile connections to the %s listener', listener => {
  const trials: Trial[] = []
  let host: AttackedHost
  let clients: NormalClients
  let before: Memory

  beforeAll(async () => {
    host = await AttackedHost.start(listener)
    for (const path of ['echo', 'pieces', 'big', 'slow']) {
      await (await fetch(`http://127.0.0.1:${host.port}/${path}`)).bytes()
    }
    clients = new NormalClients(host.port)
    before = await host.memory()
  })

  afterAll(async () => {
    await clients?.[Symbol.asyncDispose]()
    await host?.[Symbol.asyncDispose]()
    console.info(trialReport(listener, trials))
  })

  for (const attack of ATTACKS) {
    const unheld = listener === 'node' ? attack.unheldByNode : undefined
    const title = unheld === undefined ? attack.name : `${attack.name}: not held, ${unheld}`
    it.skipIf(unheld !== undefined)(
      title,
      { timeout: TRIAL_MS * (RETRIES + 1), retry: RETRIES },
      async () => {
        const trial = await tryAttack(host, clients, attack)
        trials.push(trial)
        const { outcome, counted } = attack.but?.[listener] ?? attack
        const { alone, attacked } = trial
        expect(trial.left).toBeLessThanOrEqual(0)
        expect(attacked.failed).toEqual([])
        const others = Object.keys(trial.outcomes).filter(ended => !outcome.test(ended))
        expect(others).toEqual([])
        if (counted !== undefined) expect(trial.counted[counted]).toBeGreaterThanOrEqual(100)
        if (isAll) expect(attacked.p99Ms).toBeLessThan(2 * alone.p99Ms + NOISE_MS)
      },
    )
  }

  it('leave nothing behind', async () => {
    const after = await host.memory()
    expect(after.usedBytes - before.usedBytes).toBeLessThan(KEPT_BYTES)
    expect(after.residentBytes - before.residentBytes).toBeLessThan(KEPT_RESIDENT_BYTES)
  })
})
