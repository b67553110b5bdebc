import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { ConfigInput } from '../../src/runtime/config.ts'
import { HostServer, type ServerRole } from '../../src/runtime/host-server.ts'
import { temporaryFolder } from '../helpers/cli.ts'

/** Nobody listens there. */
const NO_STORE = 'etcd://127.0.0.1:1'

/** A host with folders of its own; closed when the test is over. */
async function hostWith(config: ConfigInput, role?: ServerRole) {
  const folder = await temporaryFolder()
  const folders = { stateDir: join(folder, 'state'), cacheDir: join(folder, 'cache') }
  const quiet = { port: 0, host: '127.0.0.1', logLevel: 'silent', maxHeap: 0 } as const
  const server = new HostServer({ ...quiet, ...folders, ...config }, { env: {} }, role)
  onTestFinished(() => server.close())
  return server
}

async function statusOf(server: HostServer): Promise<unknown> {
  const headers = { accept: 'application/json' }
  return (await server.fetch(new Request('http://fezz.test/_metrics', { headers }))).json()
}

describe('a host with a store', () => {
  it('shows how it is connected and what it keeps', async () => {
    const server = await hostWith({ store: `file://${await temporaryFolder()}`, xdsPort: 0 })
    await server.listen()
    await expect.poll(() => server.host.readiness).toBe('ready')
    expect(await statusOf(server)).toMatchObject({
      controlPlane: { connected: true, problems: [] },
      artifacts: { fetched: 0, failed: 0, queued: 0, sizeBytes: 0 },
    })
    await expect.poll(() => statusOf(server)).toHaveProperty('xds.connected', true)
    const response = await server.fetch(new Request('http://fezz.test/_metrics'))
    const metrics = await response.text()
    expect(metrics).toContain('\nfezz_store_connected 1\n')
    expect(metrics).toContain('\nfezz_xds_store_connected 1\n')
    expect(metrics).toContain('\nfezz_artifact_events_total{event="failed"} 0\n')
    expect(metrics).toContain('\nfezz_artifact_cache_bytes 0\n')
  })

  it('that is told to end while it waits for the store ends in good order', async () => {
    const server = await hostWith({ store: NO_STORE, drainDelay: '0ms' })
    const running = server.run()
    await server.listen()
    await expect.poll(() => statusOf(server)).toHaveProperty('controlPlane.connected', false)
    await server.drain()
    await expect(running).resolves.toBeUndefined()
  })

  it('that tells Envoy of the cluster, too, ends without an unhandled error', async () => {
    const server = await hostWith({ store: NO_STORE, xdsPort: 0, drainDelay: '0ms' })
    const unhandled: unknown[] = []
    const note = (error: unknown) => unhandled.push(error)
    process.on('unhandledRejection', note)
    onTestFinished(() => void process.off('unhandledRejection', note))
    await server.listen()
    await expect.poll(() => statusOf(server)).toHaveProperty('xds')
    await server.close()
    await delay(10)
    expect(unhandled).toEqual([])
  })

  it('that cannot join its cluster ends, and says why', async () => {
    const blocker = createServer().listen(0, '127.0.0.1')
    await once(blocker, 'listening')
    onTestFinished(() => void blocker.close())
    const { port } = blocker.address() as AddressInfo
    const server = await hostWith({ store: NO_STORE, xdsPort: port, drainDelay: '0ms' })
    await expect(server.run()).rejects.toMatchObject({ code: 'INVALID_CONFIG' })
  })

  it.each([true, false])(
    'that drains while it joins does not become ready (serves functions: %s)',
    async servesFunctions => {
      const folder = await temporaryFolder()
      const server = await hostWith(
        { store: `file://${folder}`, xdsPort: 0, drainDelay: '300ms' },
        { servesFunctions },
      )
      await server.listen()
      const drained = server.drain()
      const seen = new Set<string>()
      const watch = setInterval(() => seen.add(server.host.readiness), 2)
      await drained
      clearInterval(watch)
      expect([...seen]).toEqual(['draining'])
    },
  )

  it('that is closed while it joins leaves nothing behind', async () => {
    const store = join(await temporaryFolder(), 'store')
    const server = await hostWith({ store: `file://${store}`, drainDelay: '0ms' })
    await server.listen()
    await server.close()
    await delay(500)
    expect(existsSync(store)).toBe(false)
  })
})
