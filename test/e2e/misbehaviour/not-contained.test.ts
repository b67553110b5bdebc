import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { temporaryFolder } from '../../helpers/cli.ts'
import { cellsOf, MATRIX, MISBEHAVIOURS, type Misbehaviour, PLACES, type Place } from './matrix.ts'
import { MisbehavingHost } from './misbehaving-host.ts'
import { type Measured, report } from './report.ts'
import { SteadyClient } from './steady-client.ts'

/** Shows that it is not contained. @returns what became of it, in a few words */
type Trial = (host: MisbehavingHost, client: SteadyClient, place: Place) => Promise<string>

const MEBIBYTE = 2 ** 20
/** Of the 10 GB, so that the machine is not in danger; the manifests allow 192. */
const HELD_MEGABYTES = 1_024
/** Of a fork bomb: 2 + 4 + 8 processes of some ten threads each; the manifests allow 64. */
const DEPTH = 2
const PIDS = 64
const STALLED_MS = 1_000
const ends = (code: number | null, signal: NodeJS.Signals | null) => ({ code, signal })

const TRIALS: { readonly [Name in Misbehaviour]?: Trial } = {
  'endless-loop': host => stalls(host, 'endless-loop'),
  'promise-chain': host => stalls(host, 'promise-chain'),

  async buffers(host) {
    const before = host.residentBytes
    const { status } = await host.misbehave('buffers', `megabytes=${HELD_MEGABYTES}`)
    expect(status).toBe(200)
    expect(host.residentBytes - before).toBeGreaterThan(0.9 * HELD_MEGABYTES * MEBIBYTE)
    return 'the host grows'
  },

  async 'fork-bomb'(host) {
    const { status, body } = await host.misbehave('fork-bomb', `depth=${DEPTH}&more=1`)
    expect({ status, body }).toEqual({ status: 200, body: { refused: 0 } })
    await expect.poll(() => host.tasksOfGroup, { timeout: 10_000 }).toBeGreaterThan(PIDS)
    process.kill(host.pid, 'SIGKILL')
    await host.exited
    expect(host.tasksOfGroup).toBeGreaterThan(PIDS)
    return 'its children outlive the host'
  },

  async 'open-files'(host, _client, place) {
    const { body } = await host.misbehave('open-files', 'most=1000')
    expect(body).toMatchObject({ refused: 'EMFILE' })
    // The one place that the request itself has left is not enough for several.
    const asked = Array.from({ length: 8 }, () => host.ask('/neighbour'))
    await expect(Promise.all(asked)).rejects.toThrow()
    await Promise.allSettled(asked)
    // With its thread a function that is not used any more gives back what it has opened.
    const asks = () => host.ask('/neighbour').then(({ status }) => status, String)
    if (place === 'thread') await expect.poll(asks, { timeout: 10_000 }).toBe(200)
    return 'no more connections'
  },

  async 'log-lines'(host, client) {
    host.provoke('log-lines', 'count=1000000&to=stderr')
    await expect.poll(() => host.printed, { timeout: 30_000 }).toBeGreaterThan(10 * MEBIBYTE)
    const { maxMs } = await client.seen()
    expect(maxMs).toBeGreaterThan(STALLED_MS / 2)
    return `stalls for ${Math.round(maxMs)} ms`
  },

  exit: host => kills(host, 'exit', ends(7, null)),
  abort: host => kills(host, 'abort', ends(null, 'SIGABRT')),
  segfault: host => kills(host, 'segfault', ends(null, 'SIGSEGV')),

  async reading(host) {
    const { body } = await host.misbehave('reading', `name=${host.secret}`)
    expect(body['found']).toBeGreaterThan(0)
    return 'finds the secret'
  },

  async writing(host) {
    const path = join(await temporaryFolder(), 'written')
    await host.misbehave('writing', `path=${encodeURIComponent(path)}`)
    expect(existsSync(path)).toBe(true)
    return 'writes'
  },
}

const places = PLACES.filter(place => cellsOf(place, 'not contained').length > 0)

describe.each(places)('not contained by %s', place => {
  const measured: Measured[] = []
  afterAll(() => console.info(report(place, measured)))

  for (const misbehaviour of cellsOf(place, 'not contained')) {
    const { reason } = MATRIX[misbehaviour][place]
    it(`${MISBEHAVIOURS[misbehaviour]}: ${reason}`, { timeout: 60_000 }, async () => {
      await using host = await MisbehavingHost.start(place, [misbehaviour])
      await using client = await SteadyClient.start(host.neighbourUrl)
      await host.healthOf(misbehaviour)
      const before = host.residentBytes
      await client.forget()
      const trial = TRIALS[misbehaviour] as Trial
      const outcome = await trial(host, client, place)
      const seen = await client.seen()
      const grownBytes = host.isAlive ? host.residentBytes - before : 0
      measured.push({ misbehaviour, outcome, seen, grownBytes })
      // A host that is killed leaves control groups to its next start, which this one never has.
      if (place === 'process') await host.stop()
    })
  }
})

async function stalls(host: MisbehavingHost, misbehaviour: Misbehaviour): Promise<string> {
  host.provoke(misbehaviour)
  await sleep(100)
  const asked = host.ask('/neighbour').then(
    () => 'served',
    () => 'cut',
  )
  expect(await Promise.race([asked, sleep(STALLED_MS, 'stalled')])).toBe('stalled')
  return 'the host stands still'
}

async function kills(
  host: MisbehavingHost,
  misbehaviour: Misbehaviour,
  how: Awaited<MisbehavingHost['exited']>,
): Promise<string> {
  host.provoke(misbehaviour)
  expect(await host.exited).toEqual(how)
  return `the host ends: ${how.signal ?? how.code}`
}
