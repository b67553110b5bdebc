import { describe, expect, it } from 'vitest'
import { AttackedHost } from './attacked-host.ts'
import { type Attack, get } from './attacks.ts'
import { ATTACKED_LISTENERS, isAll } from './extent.ts'
import { NormalClients } from './normal-clients.ts'
import { type Trial, tryAttack } from './trial.ts'
import { trialReport } from './trial-report.ts'

const TRIAL_MS = 60_000
const NOISE_MS = 50

/** Beyond a bound they are answered, or cut where there are many; within it they are kept a while. */
const KEPT: Attack = {
  name: '',
  begin: attacker => {
    attacker.send(get('/hello'))
  },
  outcome: /^(?:(?:200|503) )?(?:ended|reset)$/,
  counted: 'OVERLOADED',
}

describe.each(ATTACKED_LISTENERS)('more connections than the %s listener takes', listener => {
  it.each([
    ['in all', 'FEZZ_MAX_CONNECTIONS'],
    ['from one address', 'FEZZ_MAX_ADDRESS_CONNECTIONS'],
  ])(
    '%s do not disturb those that are there',
    { timeout: TRIAL_MS, retry: 2 },
    async (name, setting) => {
      await using host = await AttackedHost.start(listener, {
        [setting]: '40',
        FEZZ_KEEP_ALIVE_TIMEOUT: '3s',
        FEZZ_HEADERS_TIMEOUT: '4s',
      })
      await using clients = new NormalClients(host.port)
      const trial: Trial = await tryAttack(host, clients, { ...KEPT, name })
      console.info(trialReport(listener, [trial]))
      const { alone, attacked, outcomes, counted, left } = trial
      expect(left).toBeLessThanOrEqual(0)
      expect(attacked.failed).toEqual([])
      expect(Object.keys(outcomes).filter(ended => !KEPT.outcome.test(ended))).toEqual([])
      // Eight are those of the normal clients.
      expect(outcomes['200 ended']).toBeLessThanOrEqual(32)
      expect(counted.OVERLOADED).toBeGreaterThanOrEqual(60)
      if (isAll) expect(attacked.p99Ms).toBeLessThan(2 * alone.p99Ms + NOISE_MS)
    },
  )
})
