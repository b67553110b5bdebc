import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createPeer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import { probe, type Sign, untilReady } from '../../../src/executors/http/readiness.ts'
import { FakeClock } from '../../helpers/fake-clock.ts'
import { serve, servePeer } from './http-setup.ts'

const CONNECTION: Sign = { kind: 'connection' }
const ANSWER: Sign = { kind: 'answer' }
const HEALTH: Sign = { kind: 'health', path: '/health' }

const host = '127.0.0.1'
const live = { clock: systemClock, limitMs: 5_000 }

/** A port that nothing listens on. */
async function freePort(): Promise<number> {
  const server = createPeer().listen(0, host)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

describe('a probe', () => {
  it('sees a server that accepts, one that answers, and one that is healthy', async () => {
    let status = 503
    const asked: string[] = []
    await using served = await serve((req, res) => {
      asked.push(`${req.method} ${req.url}`)
      res.writeHead(status).end()
    })
    const address = { host, port: served.port }
    expect(await probe(address, { sign: CONNECTION, ...live })).toBe(true)
    expect(await probe(address, { sign: ANSWER, ...live })).toBe(true)
    expect(await probe(address, { sign: HEALTH, ...live })).toBe(false)
    status = 404
    expect(await probe(address, { sign: HEALTH, ...live })).toBe(true)
    expect(asked).toEqual(['OPTIONS *', 'GET /health', 'GET /health'])
  })

  it('takes one that accepts and says nothing of HTTP for no answer', async () => {
    await using served = await servePeer(socket => socket.end('SSH-2.0-OpenSSH_9.2\r\n'))
    const address = { host, port: served.port }
    expect(await probe(address, { sign: CONNECTION, ...live })).toBe(true)
    expect(await probe(address, { sign: ANSWER, ...live })).toBe(false)
  })

  it('takes no longer than its limit, and leaves no connection behind', async () => {
    await using served = await servePeer(socket => void socket.resume())
    const clock = new FakeClock()
    const asking = probe({ host, port: served.port }, { sign: ANSWER, limitMs: 1_000, clock })
    await expect.poll(() => served.open).toBe(1)
    await clock.advance(1_000)
    expect(await asking).toBe(false)
    await expect.poll(() => served.open).toBe(0)
    expect(clock.pending).toBe(0)
  })
})

describe('the wait for a server', () => {
  it('tries in steps that grow, and ends when it is there', async () => {
    const port = await freePort()
    const clock = new FakeClock()
    const { signal } = new AbortController()
    const waiting = untilReady({ host, port }, { sign: ANSWER, clock, signal })
    let ready = false
    void waiting.then(() => {
      ready = true
    })
    const steps: number[] = []
    for (let i = 0; i < 8; i++) {
      // An attempt has a long limit; what is shorter is the pause after it.
      await expect.poll(() => clock.nextInMs).toBeLessThan(2_000)
      steps.push(clock.nextInMs as number)
      await clock.advance(clock.nextInMs as number)
    }
    expect(steps).toEqual([5, 10, 20, 40, 80, 160, 250, 250])
    expect(ready).toBe(false)
    const server = createServer((_, res) => res.end()).listen(port, host)
    await once(server, 'listening')
    while (!ready) await clock.advance(250)
    server.close()
    await once(server, 'close')
  })

  it('ends with the reason of its signal', async () => {
    const port = await freePort()
    const abort = new AbortController()
    const waiting = untilReady(
      { host, port },
      { sign: CONNECTION, clock: systemClock, signal: abort.signal },
    )
    abort.abort(new Error('too late'))
    await expect(waiting).rejects.toThrow('too late')
  })
})
