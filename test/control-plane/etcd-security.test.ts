import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { EtcdStore, type EtcdStoreOptions } from '../../src/control-plane/etcd/etcd-store.ts'
import type { Store } from '../../src/control-plane/store.ts'
import { Follower } from '../contract/store-follower.ts'
import { type Etcd, startEtcd } from '../services/etcd.ts'

const PASSWORD = 'correct-horse'
const lines: string[] = []
const log = {
  debug: (fields: object | string, message = '') => {
    lines.push(`${JSON.stringify(fields)} ${message}`)
  },
}

function open(etcd: Etcd, options: Partial<EtcdStoreOptions> = {}): EtcdStore {
  return new EtcdStore({ endpoints: [etcd.endpoint], log, ...options })
}

/** Everything a store does, once. */
async function use(store: Store, prefix: string): Promise<void> {
  await using follower = await Follower.start(store, prefix)
  await using lease = await store.lease(5_000)
  await store.put(`${prefix}a`, '1', { lease, ifRevision: null })
  await follower.untilHas(`${prefix}a`, '1')
  expect(await store.delete(`${prefix}a`)).toBe(true)
  await follower.untilHas(`${prefix}a`, undefined)
}

async function failureOf(call: Promise<unknown>): Promise<Error> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE' })
  return error as Error
}

describe('user and password', () => {
  const root = { user: 'root', password: PASSWORD }

  it('are used where etcd wants them, and ignored where it does not', async () => {
    await using etcd = await startEtcd({ rootPassword: PASSWORD })
    await using open_ = await startEtcd()
    for (const server of [etcd, open_]) {
      await using store = open(server, root)
      await use(store, 'fezz/')
    }
    expect((await etcd.calls()).get('Authenticate')).toBe(1)
  })

  it('are asked for again when the token has expired, or a restart has ended it', async () => {
    await using etcd = await startEtcd({
      rootPassword: PASSWORD,
      args: ['--auth-token-ttl=1'],
    })
    await using store = open(etcd, root)
    await use(store, 'fezz/')
    await delay(3_500)
    await Promise.all([store.put('fezz/a', '1'), store.put('fezz/b', '1'), store.list('fezz/')])
    expect((await etcd.calls()).get('Authenticate')).toBe(2)
    await etcd.restart()
    // The connection may have to be made anew.
    await expect.poll(() => store.list('fezz/').then(() => 'there', String)).toBe('there')
    await use(store, 'fezz/new/')
    expect((await etcd.calls()).get('Authenticate')).toBe(1)
  })

  it('that are wrong are named, but for the password', async () => {
    await using etcd = await startEtcd({ rootPassword: PASSWORD })
    await using store = open(etcd, { user: 'root', password: 'wrong-secret' })
    const calls = [store.list('fezz/'), store.put('fezz/a', '1'), store.lease(5_000)]
    for (const call of calls) {
      const { message, cause } = await failureOf(call)
      expect(message).toContain(`etcd at ${etcd.endpoint} refuses user "root"`)
      expect(`${message} ${String((cause as Error).stack)}`).not.toContain('wrong-secret')
    }
    const changes = store.watch('fezz/', '1', new AbortController().signal)
    await failureOf(changes[Symbol.asyncIterator]().next())
    expect(lines.join('\n')).not.toContain('wrong-secret')
  })

  it('are asked for by name where there are none', async () => {
    await using etcd = await startEtcd({ rootPassword: PASSWORD })
    await using store = open(etcd)
    expect((await failureOf(store.list('fezz/'))).message).toMatch(/name user and password/)
  })

  it('are used from when authentication is turned on', async () => {
    await using etcd = await startEtcd()
    await using store = open(etcd, root)
    await store.put('fezz/a', '1')
    await etcd.etcdctl(['user', 'add', `root:${PASSWORD}`])
    await etcd.etcdctl(['user', 'grant-role', 'root', 'root'])
    await etcd.etcdctl(['auth', 'enable'])
    await use(store, 'fezz/later/')
  })

  it('with a role for one prefix reach this prefix only', async () => {
    await using etcd = await startEtcd({ rootPassword: PASSWORD })
    await etcd.etcdctl(['role', 'add', 'fezz'])
    await etcd.etcdctl(['role', 'grant-permission', 'fezz', '--prefix=true', 'readwrite', 'fezz/'])
    await etcd.etcdctl(['user', 'add', 'host:pass'])
    await etcd.etcdctl(['user', 'grant-role', 'host', 'fezz'])
    await using store = open(etcd, { user: 'host', password: 'pass' })
    await use(store, 'fezz/')
    const refused = /refuses user "host": .*permission denied/
    expect((await failureOf(store.list('other/'))).message).toMatch(refused)
    expect((await failureOf(store.put('other/a', '1'))).message).toMatch(refused)
    const changes = store.watch('other/', '1', new AbortController().signal)
    const first = changes[Symbol.asyncIterator]().next()
    expect((await failureOf(first)).message).toMatch(/refuses user "host"/)
  })
})

describe('TLS', () => {
  it('works with a client certificate, and with user and password besides', async () => {
    await using etcd = await startEtcd({ tls: true, rootPassword: PASSWORD })
    const tls = await tlsOf(etcd)
    // An address, and a name.
    for (const endpoint of [etcd.endpoint, etcd.endpoint.replace('127.0.0.1', 'localhost')]) {
      const user = { user: 'root', password: PASSWORD }
      await using store = open(etcd, { tls, endpoints: [endpoint], ...user })
      await use(store, 'fezz/')
    }
  })

  it('that does not come about says why, within the time limit', async () => {
    await using etcd = await startEtcd({ tls: true })
    const { ca, cert, key } = await tlsOf(etcd)
    await using stranger = open(etcd, { tls: { cert, key } })
    const { message } = await failureOf(stranger.list('fezz/'))
    expect(message).toMatch(/certificate/)
    await using nobody = open(etcd, { tls: { ca } })
    expect((await failureOf(nobody.list('fezz/'))).message).toContain(etcd.endpoint)
    await using plain = new EtcdStore({
      endpoints: [etcd.endpoint.replace('https', 'http')],
      log,
    })
    await failureOf(plain.list('fezz/'))
  })

  it('is refused to a server whose certificate is for another address', async () => {
    await using etcd = await startEtcd({ tls: true })
    await using proxy = createServer(socket => {
      const server = connect(etcd.port, '127.0.0.1')
      for (const end of [socket, server]) end.on('error', () => {})
      socket.pipe(server).pipe(socket)
    }).listen(0, '127.0.0.2')
    await once(proxy, 'listening')
    const endpoint = `https://127.0.0.2:${(proxy.address() as AddressInfo).port}`
    await using store = open(etcd, { tls: await tlsOf(etcd), endpoints: [endpoint] })
    expect((await failureOf(store.list('fezz/'))).message).toMatch(
      /127\.0\.0\.2 is not in the cert/,
    )
  })

  it('with files that are none says so', async () => {
    await using etcd = await startEtcd({ tls: true })
    const { ca, cert } = await tlsOf(etcd)
    await using store = open(etcd, { tls: { ca, cert, key: Buffer.from('nothing') } })
    expect((await failureOf(store.list('fezz/'))).message).toMatch(/certificate/)
  })
})

async function tlsOf({ certificates }: Etcd) {
  if (certificates === undefined) throw new Error('etcd has no certificates')
  return {
    ca: await readFile(certificates.ca),
    cert: await readFile(certificates.clientCert),
    key: await readFile(certificates.clientKey),
  }
}
