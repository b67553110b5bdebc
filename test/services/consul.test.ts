import { readFile } from 'node:fs/promises'
import { request } from 'node:https'
import { describe, expect, it } from 'vitest'
import { type Consul, consulProgram, startConsul } from './consul.ts'
import { isAlive } from './run.ts'

describe.skipIf((await consulProgram()) === undefined)('Consul', () => {
  it('keeps its data and its port when it is killed and started again', async () => {
    const consul = await startConsul()
    const { pid, endpoint } = consul
    try {
      await put(consul, 'key', 'kept')
      await consul.kill()
      expect(isAlive(pid)).toBe(false)
      await consul.restart()
      expect(consul.endpoint).toBe(endpoint)
      expect(await consul.get('/v1/kv/key?raw')).toBe('kept')
    } finally {
      await consul[Symbol.asyncDispose]()
    }
    expect(consul.isRunning).toBe(false)
  })

  it('counts its requests by method and path', async () => {
    await using consul = await startConsul()
    await put(consul, 'key', 'value')
    for (let i = 0; i < 3; i++) await consul.get('/v1/kv/key')
    const calls = await consul.calls()
    expect(calls.get('GET.v1.kv')).toBe(3)
    expect(calls.get('PUT.v1.kv')).toBe(1)
  })

  it('takes nobody without the token when it has one', async () => {
    const token = '11111111-2222-3333-4444-555555555555'
    await using consul = await startConsul({ token })
    await put(consul, 'key', 'mine', { 'x-consul-token': token })
    expect(await consul.get('/v1/kv/key?raw')).toBe('mine')
    const stranger = await fetch(`${consul.endpoint}/v1/kv/key`)
    expect(stranger.ok).toBe(false)
  })

  it('takes nobody without a certificate when it speaks TLS', async () => {
    await using consul = await startConsul({ tls: true })
    expect(consul.endpoint).toMatch(/^https:/)
    expect(await consul.get('/v1/status/leader')).toContain('127.0.0.1')
    const ca = await readFile(consul.certificates?.ca ?? '')
    const stranger = new Promise((resolve, reject) => {
      const sent = request(`${consul.endpoint}/v1/status/leader`, { ca, agent: false }, resolve)
      sent.on('error', reject).end()
    })
    await expect(stranger).rejects.toThrow(/certificate/)
  })
})

async function put(
  consul: Consul,
  key: string,
  body: string,
  headers: Record<string, string> = {},
): Promise<void> {
  const answer = await fetch(`${consul.endpoint}/v1/kv/${key}`, { method: 'PUT', body, headers })
  expect(await answer.text()).toBe('true')
}
