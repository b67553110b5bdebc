import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { type CliHost, serve, temporaryFolder } from '../helpers/cli.ts'
import { RawClient } from '../http/raw-client.ts'
import { wrk } from '../services/wrk.ts'
import { hammer } from './keep-alive-client.ts'

const FUNCTIONS = resolve(import.meta.dirname, 'functions')
const GET_GATED = 'GET /gated HTTP/1.1\r\nHost: localhost\r\n\r\n'
const CLIENTS = 20

/** `gated` loads and unloads freely; its requests wait for {@link answerGated}. */
async function serveFunctions(env: Readonly<Record<string, string>>): Promise<CliHost> {
  const gates = await temporaryFolder()
  for (const gate of ['load', 'unload']) await writeFile(join(gates, gate), '')
  const files = ['quick', 'gated', 'leaky'].map(name => join(FUNCTIONS, `${name}.ts`))
  const host = await serve(files, { env: { FEZZ_ENV_GATES: gates, ...env } })
  answers.set(host, () => writeFile(join(gates, 'fetch'), ''))
  return host
}

const answers = new WeakMap<CliHost, () => Promise<void>>()

function answerGated(host: CliHost): Promise<void> | undefined {
  return answers.get(host)?.()
}

async function requestGated(host: CliHost): Promise<RawClient> {
  const client = await RawClient.connect(host.port)
  client.send(GET_GATED)
  await host.line(({ msg }) => msg === 'request arrived')
  return client
}

function unloadedAtShutdown(host: CliHost): unknown[] {
  const found = host.lines.filter(({ reason }) => reason === 'shutdown')
  return found.map(({ functionId }) => functionId).sort()
}

describe('SIGTERM', () => {
  it('fails no request on an open connection, and ends with 0 when all is answered and unloaded', async () => {
    await using host = await serveFunctions({ FEZZ_DRAIN_DELAY: '1s' })
    const idle = [await RawClient.connect(host.port), await RawClient.connect(host.port)] as const
    const slow = await requestGated(host)
    let warm = 0
    const started = Promise.withResolvers<void>()
    const clients = Array.from({ length: CLIENTS }, () =>
      hammer(host.port, '/quick', ({ answers }) => {
        if (answers.length === 50 && ++warm === CLIENTS) started.resolve()
        return false
      }),
    )
    await started.promise

    host.child.kill('SIGTERM')
    await host.line(({ msg }) => msg === 'draining')
    expect((await host.fetch('/_health')).status).toBe(503)
    idle[0].send('GET /_health HTTP/1.1\r\nHost: localhost\r\n\r\n')
    idle[1].send('GET /quick HTTP/1.1\r\nHost: localhost\r\n\r\n')
    expect(await idle[0].untilClosed()).toMatch(/^HTTP\/1\.1 503 .*^connection: close\r$/ims)
    expect(await idle[1].untilClosed()).toMatch(
      /^HTTP\/1\.1 200 .*^connection: close\r$.*quick$/ims,
    )

    const reports = await Promise.all(clients)
    expect(reports.flatMap(({ failure }) => failure ?? [])).toEqual([])
    expect(Math.min(...reports.map(({ answers }) => answers.length))).toBeGreaterThan(50)

    expect(unloadedAtShutdown(host)).toEqual([])
    expect(slow.received).toBe('')
    await answerGated(host)
    expect(await slow.untilClosed()).toMatch(
      /^HTTP\/1\.1 200 .*^connection: close\r$.*answered$/ims,
    )
    expect(await host.exited).toEqual({ code: 0, signal: null })
    expect(unloadedAtShutdown(host)).toEqual(['gated', 'quick'])
    expect(host.linesOf('quick', 'onUnload ran')).toHaveLength(1)
    expect(host.lines.at(-1)?.msg).toBe('closed')
  })

  it('cuts a request that takes longer than drainTimeout, and ends all the same', async () => {
    await using host = await serveFunctions({
      FEZZ_DRAIN_DELAY: '0s',
      FEZZ_DRAIN_TIMEOUT: '200ms',
    })
    const slow = await requestGated(host)
    host.child.kill('SIGTERM')
    expect(await slow.untilClosed()).toBe('')
    expect(await host.exited).toEqual({ code: 0, signal: null })
    expect(unloadedAtShutdown(host)).toEqual(['gated'])
  })

  it('ends the process although a function has left something open', async () => {
    await using host = await serveFunctions({ FEZZ_DRAIN_DELAY: '0s' })
    await host.get('/leaky')
    expect(await host.stop('SIGINT')).toEqual({ code: 0, signal: null })
    expect(unloadedAtShutdown(host)).toEqual(['leaky'])
  })

  it('twice ends it now, as a failure', async () => {
    await using host = await serveFunctions({ FEZZ_DRAIN_TIMEOUT: '1h' })
    const slow = await requestGated(host)
    host.child.kill('SIGTERM')
    await host.line(({ msg }) => msg === 'draining')
    host.child.kill('SIGINT')
    expect(await host.exited).toEqual({ code: 1, signal: null })
    expect(await slow.untilClosed()).toBe('')
    expect(unloadedAtShutdown(host)).toEqual([])
  })
})

const program = await wrk()

describe.skipIf(program === undefined)('SIGTERM under wrk', () => {
  it('fails no request on an open connection', async () => {
    await using host = await serveFunctions({})
    const url = `http://127.0.0.1:${host.port}/quick`
    const load = spawn(program as string, ['-t1', '-c32', '-d30s', url], { stdio: 'pipe' })
    const summary = text(load.stdout)
    const ended = once(load, 'exit')
    try {
      const served = async () => {
        const count = /^fezz_requests_total\{.*"quick".*\} (\d+)$/m.exec(
          await host.get('/_metrics'),
        )
        return Number(count?.[1] ?? 0)
      }
      await expect.poll(served, { timeout: 10_000 }).toBeGreaterThan(1_000)
      expect(await host.stop()).toEqual({ code: 0, signal: null })
    } finally {
      // It prints its summary then.
      load.kill('SIGINT')
    }
    await ended
    const told = await summary
    expect(told).toMatch(/\d+ requests in /)
    expect(told).not.toContain('Non-2xx')
    // What wrk counts as write errors are the new connections that are refused in the end.
    expect(told).toMatch(/^(?!.*Socket errors)|read 0, write \d+, timeout 0/s)
  })
})
