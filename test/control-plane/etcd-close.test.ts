import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { startEtcd } from '../services/etcd.ts'

const STORE = resolve(import.meta.dirname, '../../src/control-plane/etcd/etcd-store.ts')

/** @returns what it wrote; it has to end by itself */
async function run(endpoint: string, script: string): Promise<string> {
  const head = `
    import { EtcdStore } from ${JSON.stringify(STORE)}
    const store = new EtcdStore({ endpoints: [${JSON.stringify(endpoint)}], log: { debug() {} } })
    const { revision } = await store.list('fezz/')
  `
  const env = Object.entries(process.env).filter(([name]) => !name.startsWith('FEZZ_'))
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '--eval', head + script],
    { env: Object.fromEntries(env), timeout: 10_000, killSignal: 'SIGKILL' },
  )
  return stdout
}

it('a process ends by itself once its store is closed, whatever was under way', async () => {
  await using etcd = await startEtcd()
  const script = `
    const lease = await store.lease(3000)
    const ended = []
    const watch = async prefix => {
      for await (const _ of store.watch(prefix, revision, new AbortController().signal)) {}
    }
    for (const prefix of ['fezz/', 'other/']) watch(prefix).catch(error => ended.push(error.code))
    await new Promise(resolve => setTimeout(resolve, 200))
    const pending = store.list('fezz/').catch(error => ended.push(error.code))
    await store.close()
    await pending
    ended.push(await lease.lost)
    const closedMs = performance.now()
    process.on('exit', () => {
      console.log(JSON.stringify({ ended, lateMs: performance.now() - closedMs }))
    })
  `
  const { ended, lateMs } = JSON.parse(await run(etcd.endpoint, script))
  expect(ended.slice(0, 3)).toEqual(Array(3).fill('STORE_UNAVAILABLE'))
  expect(ended[3]).toMatch(/closed/)
  expect(lateMs).toBeLessThan(1_000)
})

it('a process ends by itself with its store closed while the server is down or silent', async () => {
  await using etcd = await startEtcd()
  const script = `
    import { readdirSync, readFileSync } from 'node:fs'
    // A thread that runs when its process is stopped goes on for a moment.
    const runs = () => readdirSync('/proc/${etcd.pid}/task').some(
      id => !/\\) T /.test(readFileSync('/proc/${etcd.pid}/task/' + id + '/stat', 'utf8')))
    await store.lease(3000)
    const watch = store.watch('fezz/', revision, new AbortController().signal)
    const ended = watch[Symbol.asyncIterator]().next().catch(error => error.code)
    await new Promise(resolve => setTimeout(resolve, 200))
    process.kill(${etcd.pid}, 'SIGSTOP')
    while (runs()) {}
    const pending = store.list('fezz/').catch(error => error.code)
    await new Promise(resolve => setTimeout(resolve, 200))
    await store.close()
    console.log(await ended, await pending)
  `
  try {
    expect(await run(etcd.endpoint, script)).toBe('STORE_UNAVAILABLE STORE_UNAVAILABLE\n')
  } finally {
    etcd.resume()
  }
})

it('an idle store does not keep a process alive', async () => {
  await using etcd = await startEtcd()
  expect(await run(etcd.endpoint, "console.log('over')")).toBe('over\n')
})
