import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CONTAINED_TRIALS } from './contained-trials.ts'
import { cellsOf, MATRIX, MISBEHAVIOURS, type Misbehaviour, type Place } from './matrix.ts'
import { controlGroupsOf, MisbehavingHost, tasksOf } from './misbehaving-host.ts'
import { type Measured, report } from './report.ts'
import { type Seen, SteadyClient } from './steady-client.ts'

/** Far more than anybody waits on a busy machine, far less than a host stalls. */
const SERVED_MS = 2_000
const FEWEST_ASKED = 100
/** What the host may need meanwhile for any of it: buffers, garbage, another thread. */
const MOST_GROWTH_BYTES = 128 * 2 ** 20
/** Of what may be open for a moment, as the connections to an engine. */
const MORE_DESCRIPTORS = 8
const TRIAL_MS = 60_000
/** After one of these another instance serves. */
const DEADLY: ReadonlySet<number> = new Set([502, 504])

/**
 * Tests of one place: each misbehaviour that the matrix says is contained, in one host with one
 * neighbour; at last, that nothing of it all is left.
 */
export function describeContained(place: Place): void {
  describe(`contained by ${place}`, () => {
    const measured: Measured[] = []
    let host: MisbehavingHost
    let client: SteadyClient
    let descriptors: number

    beforeAll(async () => {
      const misbehaviours = cellsOf(place, 'contained')
      host = await MisbehavingHost.start(place, misbehaviours)
      // All that the first use of an executor opens for good.
      await host.healthOf(misbehaviours[0] as Misbehaviour)
      descriptors = host.descriptors
      client = await SteadyClient.start(host.neighbourUrl)
    })

    afterAll(async () => {
      await client?.[Symbol.asyncDispose]()
      // Also after a failure: a host that is killed leaves what it has to its next start.
      await host?.stop()
      await host?.[Symbol.asyncDispose]()
      console.info(report(place, measured))
    })

    for (const misbehaviour of cellsOf(place, 'contained')) {
      const { reason } = MATRIX[misbehaviour][place]
      it(`${MISBEHAVIOURS[misbehaviour]}: ${reason}`, { timeout: TRIAL_MS }, async () => {
        const { instance } = await host.healthOf(misbehaviour)
        const before = host.residentBytes
        host.forgetPeak()
        await client.forget()

        const outcome = await CONTAINED_TRIALS[misbehaviour](host, place)

        const seen = await seenBy(client)
        const grownBytes = host.peakBytes - before
        const { status, body, note } = outcome
        const words = [status, body['code'], note].filter(word => word !== undefined)
        measured.push({ misbehaviour, outcome: words.join(' '), seen, grownBytes })
        const after = await host.healthOf(misbehaviour)
        expect(host.isAlive).toBe(true)
        expect(seen).toMatchObject({ failed: 0 })
        expect(seen.maxMs).toBeLessThan(SERVED_MS)
        expect(grownBytes).toBeLessThan(MOST_GROWTH_BYTES)
        if (DEADLY.has(status)) expect(after.instance).not.toBe(instance)
      })
    }

    it('nothing of it is left', { timeout: TRIAL_MS }, async () => {
      await expect
        .poll(async () => new Set(await host.states()), { timeout: 20_000 })
        .toEqual(new Set(['Ready', 'Unloaded']))
      await client[Symbol.asyncDispose]()
      await expect
        .poll(() => host.descriptors, { timeout: 10_000 })
        .toBeLessThanOrEqual(descriptors + MORE_DESCRIPTORS)
      // One more, which a shutdown must not wait for.
      const endless = connect(host.port, '127.0.0.1').on('error', () => {})
      endless.write('GET /endless-response HTTP/1.1\r\nHost: localhost\r\n\r\n')
      for await (const _ of endless.iterator({ destroyOnReturn: false })) break
      const { run } = host
      const startedMs = performance.now()
      expect(await host.stop()).toMatchObject({ code: 0 })
      expect(performance.now() - startedMs).toBeLessThan(10_000)
      endless.destroy()
      expect(host.leftFiles).toEqual([])
      expect(host.tasksOfGroup).toBe(0)
      expect(tasksOf(run)).toBe(0)
      expect(controlGroupsOf(run)).toEqual([])
      if (place === 'container') expect(await host.containers()).toEqual([])
    })
  })
}

/** Enough to have a 99th percentile, also of what is over at once. */
async function seenBy(client: SteadyClient): Promise<Seen> {
  for (;;) {
    const seen = await client.seen()
    if (seen.asked >= FEWEST_ASKED) return seen
    await sleep(50)
  }
}
