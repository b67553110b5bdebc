import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { temporaryFolder } from '../../helpers/cli.ts'
import type { Misbehaviour, Place } from './matrix.ts'
import { type MisbehavingHost, type Outcome, tasksOf } from './misbehaving-host.ts'

/** Has a function misbehave where that is contained, and expects of its answer what is promised. */
export type Trial = (host: MisbehavingHost, place: Place) => Promise<Outcome>

const MEBIBYTE = 2 ** 20
const LINES = 1_000_000
/** The bursts, and the seconds that it takes. */
const MOST_LOGGED = 10_000
const POLL = { timeout: 10_000 }
/** Between a function and a client that stands still: credit, and the buffers of two sockets. */
const MOST_AHEAD_BYTES = 16 * MEBIBYTE
/** How long a client is watched that reads a byte a second. */
const SLOW_MS = 3_000
const READS_EVERY_MS = 1_000
/** As the manifests say. */
const OPEN_FILES = 64
const PIDS = 64
/** Of the runner that waits for the next load, which no limit of a function holds. */
const MOST_WARM_TASKS = 32

/** By which a function gets past what its runner holds; a thread has the descriptors of the host. */
const WAYS_AROUND: Readonly<Record<Place, readonly string[]>> = {
  'in-process': [],
  thread: [],
  process: ['descriptor', 'channel'],
  sandbox: ['descriptor', 'channel'],
  container: ['descriptor'],
}

const timesOut = answers(504, 'FUNCTION_TIMEOUT')
const dies = answers(502, 'INSTANCE_EXITED')

export const CONTAINED_TRIALS: Readonly<Record<Misbehaviour, Trial>> = {
  'endless-loop': host => timesOut(host.misbehave('endless-loop')),
  'promise-chain': host => timesOut(host.misbehave('promise-chain')),

  buffers: host => dies(host.misbehave('buffers', 'megabytes=10240')),

  async 'fork-bomb'(host, place) {
    const { run } = host
    const before = tasksOf(run)
    let most = 0
    const watch = setInterval(() => {
      most = Math.max(most, tasksOf(run) - before)
    }, 50)
    const bomb = host.misbehave('fork-bomb', `depth=1000&more=${PIDS}`)
    const outcome = await bomb.finally(() => clearInterval(watch))
    // Where the system cannot refuse it, the instance is ended as soon as it has too many.
    if (outcome.status !== 200) return dies(Promise.resolve(outcome))
    expect(outcome.body['refused']).toBeGreaterThan(0)
    if (place === 'container') return outcome
    expect(most).toBeGreaterThan(PIDS / 2)
    expect(most).toBeLessThanOrEqual(PIDS + MOST_WARM_TASKS)
    return { ...outcome, note: `${most} at most` }
  },

  async 'open-files'(host) {
    const outcome = await host.misbehave('open-files', 'most=1000')
    expect(outcome).toMatchObject({ status: 200, body: { refused: 'EMFILE' } })
    expect(outcome.body['opened']).toBeLessThan(OPEN_FILES)
    return outcome
  },

  async 'log-lines'(host, place) {
    const ways = ['stdout', 'stderr', 'log', ...WAYS_AROUND[place]]
    const count = Math.ceil(LINES / ways.length)
    for (const to of ways) {
      const outcome = await host.misbehave('log-lines', `to=${to}&count=${count}`)
      expect(outcome).toMatchObject({ status: 200, body: { count } })
    }
    await expect
      .poll(() => host.messagesOf('log-lines').filter(msg => msg.includes('dropped')), POLL)
      .not.toEqual([])
    const { length } = host.messagesOf('log-lines')
    expect(length).toBeLessThan(MOST_LOGGED)
    return { status: 200, body: {}, note: `${length} logged` }
  },

  exit: host => dies(host.misbehave('exit')),
  abort: (host, place) =>
    (place === 'thread' ? answers(500, 'FUNCTION_ERROR') : dies)(host.misbehave('abort')),
  segfault: host => dies(host.misbehave('segfault')),

  async rejection(host) {
    const outcome = await host.misbehave('rejection')
    expect(outcome).toMatchObject({ status: 200, body: { rejected: true } })
    await expect.poll(() => host.messagesOf('rejection'), POLL).toContain('unhandled rejection')
    return outcome
  },

  async 'endless-response'(host) {
    const client = connect(host.port, '127.0.0.1')
    client.write('GET /endless-response HTTP/1.1\r\nHost: localhost\r\n\r\n')
    let chunks = 0
    for await (const _ of client) if (++chunks === 10) break
    // Leaving the loop has ended the connection.
    await expect
      .poll(async () => (await host.healthOf('endless-response')).openStreams, POLL)
      .toBe(0)
    return { status: 200, body: {} }
  },

  async 'slow-reader'(host) {
    const client = connect({ port: host.port, host: '127.0.0.1' })
    client.write('GET /slow-reader HTTP/1.1\r\nHost: localhost\r\n\r\n')
    for (const endMs = performance.now() + SLOW_MS; performance.now() < endMs; ) {
      client.read(1)
      await sleep(READS_EVERY_MS)
    }
    const { producedBytes } = await host.healthOf('slow-reader')
    client.destroy()
    expect(producedBytes).toBeGreaterThan(0)
    expect(producedBytes).toBeLessThan(MOST_AHEAD_BYTES)
    return { status: 200, body: {}, note: `${Math.round(producedBytes / 1_024)} KiB ahead` }
  },

  async reading(host) {
    const outcome = await host.misbehave('reading', `name=${host.secret}`)
    expect(outcome).toMatchObject({ status: 200, body: { found: 0 } })
    return outcome
  },

  async writing(host) {
    const path = join(await temporaryFolder(), 'written')
    const outcome = await host.misbehave('writing', `path=${encodeURIComponent(path)}`)
    expect(existsSync(path)).toBe(false)
    return outcome
  },
}

function answers(status: number, code: string) {
  return async (answer: Promise<Outcome>): Promise<Outcome> => {
    const outcome = await answer
    expect(outcome).toMatchObject({ status, body: { code } })
    return outcome
  }
}
