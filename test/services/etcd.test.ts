import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { type Etcd, etcdctl, etcdctlProgram, etcdProgram, startEtcd } from './etcd.ts'
import { isAlive } from './run.ts'

const missing = (await etcdProgram()) === undefined || (await etcdctlProgram()) === undefined

describe.skipIf(missing)('etcd', () => {
  it('keeps its data and its port when it is killed and started again', async () => {
    await using etcd = await startEtcd()
    const { pid, endpoint } = etcd
    await etcd.etcdctl(['put', 'key', 'kept'])
    await etcd.kill()
    expect(isAlive(pid)).toBe(false)
    await etcd.restart()
    expect(etcd.endpoint).toBe(endpoint)
    expect(await valueAt(etcd, 'key')).toBe('kept')
  })

  it('is gone with its data once disposed of, and may be disposed of twice', async () => {
    const etcd = await startEtcd()
    const { pid, folder } = etcd
    expect(existsSync(etcd.dataDir)).toBe(true)
    await etcd[Symbol.asyncDispose]()
    await etcd[Symbol.asyncDispose]()
    expect(isAlive(pid)).toBe(false)
    expect(existsSync(folder)).toBe(false)
  })

  it('answers nothing while it is paused', async () => {
    await using etcd = await startEtcd()
    etcd.pause()
    await expect(etcd.etcdctl(['--command-timeout=300ms', 'get', 'key'])).rejects.toThrow()
    etcd.resume()
    await expect(etcd.etcdctl(['get', 'key'])).resolves.toBe('')
  })

  it('counts its calls by method', async () => {
    await using etcd = await startEtcd()
    for (const key of ['a', 'b', 'c']) await etcd.etcdctl(['get', key])
    expect((await etcd.calls()).get('Range')).toBe(3)
  })

  it('takes nobody without the password when it has one', async () => {
    await using etcd = await startEtcd({ rootPassword: 'secret' })
    await etcd.etcdctl(['put', 'key', 'mine'])
    expect(await valueAt(etcd, 'key')).toBe('mine')
    await expect(etcdctl(etcd.endpoint, ['get', 'key'])).rejects.toThrow('user name is empty')
    await etcd.restart()
    expect(await valueAt(etcd, 'key')).toBe('mine')
  })

  it('takes nobody without a certificate when it speaks TLS', async () => {
    await using etcd = await startEtcd({ tls: true })
    await etcd.etcdctl(['put', 'key', 'mine'])
    expect(await valueAt(etcd, 'key')).toBe('mine')
    const stranger = ['--cacert', etcd.certificates?.ca ?? '', '--command-timeout=500ms']
    await expect(etcdctl(etcd.endpoint, [...stranger, 'get', 'key'])).rejects.toThrow()
  })
})

async function valueAt(etcd: Etcd, key: string): Promise<string> {
  return (await etcd.etcdctl(['get', key, '--print-value-only'])).trim()
}
