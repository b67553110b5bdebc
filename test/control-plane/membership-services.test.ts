import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { NODES } from '../../src/control-plane/keys.ts'
import type { NodeEntry } from '../../src/control-plane/node-entry.ts'
import { openStore } from '../../src/control-plane/open-store.ts'
import type { Store } from '../../src/control-plane/store.ts'
import { parseStoreUrl } from '../../src/control-plane/store-url.ts'
import { plainEnvironment } from '../helpers/cli.ts'
import { consulProgram, startConsul } from '../services/consul.ts'
import { etcdProgram, startEtcd } from '../services/etcd.ts'
import { nodeEntry } from './membership-world.ts'
import { RecordedLog } from './recorded-log.ts'

const PROGRAM = join(import.meta.dirname, 'membership-process.ts')
const children = new Set<ChildProcess>()
const stores = new Set<Store>()

afterEach(async () => {
  for (const child of children) {
    const closed = once(child, 'close')
    child.kill('SIGKILL')
    await closed
  }
  for (const store of stores) await store.close()
  stores.clear()
})

interface Settings {
  readonly url: string
  readonly ttlMs: number
  readonly node?: Partial<NodeEntry>
}

/** A process with a membership. */
function start({ url, ttlMs, node }: Settings) {
  const settings = JSON.stringify({ url, ttlMs, node: nodeEntry(node) })
  const child = spawn(process.execPath, [PROGRAM, settings], {
    env: plainEnvironment(),
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  children.add(child)
  child.once('close', () => children.delete(child))
  const lines: { level: string; msg: string; err?: { message: string } }[] = []
  createInterface({ input: child.stdout }).on('line', line => lines.push(JSON.parse(line)))
  const said = (msg: string) => lines.filter(line => line.msg === msg)
  return { child, lines, said, closed: once(child, 'close') }
}

async function open(url: string) {
  const store = await openStore(parseStoreUrl(url), { log: new RecordedLog() })
  stores.add(store)
  const entry = async (): Promise<NodeEntry | undefined> => {
    const found = (await store.list(NODES)).entries.get(`${NODES}a`)
    return found && JSON.parse(found.value)
  }
  return { store, entry }
}

/** @returns how long it took */
async function until(holds: () => Promise<unknown> | unknown, withinMs: number): Promise<number> {
  const startedAt = Date.now()
  // A store that is away has no answer.
  while (!(await Promise.resolve(holds()).catch(() => false))) {
    const passedMs = Date.now() - startedAt
    if (passedMs > withinMs) throw new Error(`not within ${withinMs} ms: ${holds}`)
    await sleep(50)
  }
  return Date.now() - startedAt
}

const SECOND = { run: 'second', startedAt: '2026-11-21T11:00:00.000Z' }
const etcdUrl = ({ port }: { readonly port: number }) => `etcd://127.0.0.1:${port}`
const consulUrl = ({ port }: { readonly port: number }) => `consul://127.0.0.1:${port}`

describe.skipIf((await etcdProgram()) === undefined)(
  'a membership in etcd',
  () => {
    it('ends within its TTL when the process is killed, and at once when it leaves', async () => {
      await using etcd = await startEtcd()
      const url = etcdUrl(etcd)
      const { entry } = await open(url)
      const killed = start({ url, ttlMs: 3_000 })
      await until(async () => (await entry())?.state === 'ready', 10_000)
      killed.child.kill('SIGKILL')
      const goneMs = await until(async () => (await entry()) === undefined, 6_000)
      // etcd looks for expired leases twice a second.
      expect(goneMs).toBeLessThan(4_500)
      const leaving = start({ url, ttlMs: 60_000 })
      await until(async () => (await entry())?.state === 'ready', 10_000)
      leaving.child.kill('SIGTERM')
      const [code] = await leaving.closed
      expect(code).toBe(0)
      expect(await entry()).toBeUndefined()
    })

    it('is there again after the process was paused for longer than its TTL', async () => {
      await using etcd = await startEtcd()
      const url = etcdUrl(etcd)
      const { entry } = await open(url)
      const host = start({ url, ttlMs: 2_000 })
      await until(async () => (await entry())?.state === 'ready', 10_000)
      host.child.kill('SIGSTOP')
      await until(async () => (await entry()) === undefined, 6_000)
      host.child.kill('SIGCONT')
      expect(await until(async () => (await entry())?.state === 'ready', 5_000)).toBeLessThan(2_000)
      // And stays, under the new lease.
      await sleep(4_000)
      expect(await entry()).toBeDefined()
    })

    it('lives through a restart of etcd, and comes back after an outage longer than its TTL', async () => {
      await using etcd = await startEtcd()
      const url = etcdUrl(etcd)
      const { entry, store } = await open(url)
      const host = start({ url, ttlMs: 2_000 })
      await until(async () => (await entry())?.state === 'ready', 10_000)
      await etcd.kill()
      await etcd.restart()
      await until(async () => (await entry())?.state === 'ready', 5_000)
      await etcd.kill()
      await until(
        () => host.said('the lease of this host is lost; registering again').length > 0,
        6_000,
      )
      await etcd.restart()
      await until(() => store.list(NODES).then(() => true), 5_000)
      expect(await until(async () => (await entry())?.state === 'ready', 5_000)).toBeLessThan(2_000)
      // etcd gives old leases their whole time again when it starts: the entry must outlive that.
      await sleep(4_000)
      expect(await entry()).toMatchObject({ run: 'first' })
      host.child.kill('SIGTERM')
      await host.closed
      expect(await entry()).toBeUndefined()
    })

    it('refuses a second host with its id, names both, and lets a successor take over', async () => {
      await using etcd = await startEtcd()
      const url = etcdUrl(etcd)
      const { entry } = await open(url)
      const first = start({ url, ttlMs: 2_000 })
      await until(async () => (await entry())?.state === 'ready', 10_000)
      const second = start({ url, ttlMs: 2_000, node: { ...SECOND, port: 9090 } })
      const [code] = await second.closed
      expect(code).toBe(1)
      const message = second.said('refused')[0]?.err?.message
      expect(message).toContain('10.0.0.1:8080 (run first,')
      expect(message).toContain('10.0.0.1:9090 (run second,')
      expect(await entry()).toMatchObject({ run: 'first' })
      start({ url, ttlMs: 2_000, node: SECOND })
      await until(async () => (await entry())?.run === 'second', 10_000)
      await until(() => first.lines.some(line => line.level === 'error'), 5_000)
      first.child.kill('SIGTERM')
      await first.closed
      expect(await entry()).toMatchObject({ run: 'second', state: 'ready' })
    })
  },
  60_000,
)

describe.skipIf((await consulProgram()) === undefined)(
  'a membership in Consul',
  () => {
    it('survives a restart, is left at once, and is taken over by a successor', async () => {
      await using consul = await startConsul()
      const url = consulUrl(consul)
      const { entry } = await open(url)
      const first = start({ url, ttlMs: 10_000 })
      await until(async () => (await entry())?.state === 'ready', 10_000)
      const second = start({ url, ttlMs: 10_000, node: SECOND })
      await until(async () => (await entry())?.run === 'second', 10_000)
      await until(() => first.lines.some(line => line.level === 'error'), 5_000)
      first.child.kill('SIGTERM')
      await first.closed
      expect(await entry()).toMatchObject({ run: 'second', state: 'ready' })
      await consul.kill()
      await consul.restart()
      await until(async () => (await entry())?.state === 'ready', 15_000)
      second.child.kill('SIGTERM')
      expect((await second.closed)[0]).toBe(0)
      expect(await entry()).toBeUndefined()
    })

    it('ends within its TTL when the process is killed', async () => {
      await using consul = await startConsul()
      const url = consulUrl(consul)
      const { entry } = await open(url)
      const host = start({ url, ttlMs: 20_000 })
      await until(async () => (await entry())?.state === 'ready', 10_000)
      host.child.kill('SIGKILL')
      expect(await until(async () => (await entry()) === undefined, 35_000)).toBeLessThan(26_000)
    })
  },
  60_000,
)
