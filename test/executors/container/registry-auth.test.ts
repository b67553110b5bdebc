import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { registryAuth, registryOf } from '../../../src/executors/container/registry-auth.ts'

describe('the registry of an image', () => {
  it.each([
    ['nginx', 'docker.io'],
    ['team/app:1', 'docker.io'],
    ['localhost/app', 'localhost'],
    ['registry.example.com/team/app@sha256:00', 'registry.example.com'],
    ['127.0.0.1:5000/app:1', '127.0.0.1:5000'],
  ])('of %s is %s', (image, registry) => {
    expect(registryOf(image)).toBe(registry)
  })
})

describe('credentials for a registry', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fezz-auth-'))
  const file = join(folder, 'config.json')
  afterAll(() => rmSync(folder, { recursive: true }))
  const write = (auths: object) => writeFileSync(file, JSON.stringify({ auths }))

  it.each([
    ['registry.example.com', 'registry.example.com/app'],
    ['https://registry.example.com/v1/', 'registry.example.com/app:1'],
    ['https://index.docker.io/v1/', 'team/app'],
  ])('stand under %s for %s', async (name, image) => {
    write({ 'other.example.com': { auth: btoa('no:no') }, [name]: { auth: btoa('me:a:b') } })
    expect(await registryAuth(file, image)).toMatchObject({ username: 'me', password: 'a:b' })
  })

  it('may be a name and a password, or a token', async () => {
    write({ 'a.example.com': { username: 'me', password: 'secret' } })
    expect(await registryAuth(file, 'a.example.com/x')).toMatchObject({ password: 'secret' })
    write({ 'a.example.com': { auth: btoa('me:'), identitytoken: 'token' } })
    expect(await registryAuth(file, 'a.example.com/x')).toMatchObject({ identitytoken: 'token' })
  })

  it('are none where the file has none', async () => {
    write({ 'a.example.com': {}, 'b.example.com': { auth: btoa('me:secret') } })
    expect(await registryAuth(file, 'a.example.com/x')).toBeUndefined()
    expect(await registryAuth(file, 'c.example.com/x')).toBeUndefined()
  })

  it('are missing clearly where the file is, and never shown where it is broken', async () => {
    await expect(registryAuth(join(folder, 'none.json'), 'app')).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringContaining('ENOENT'),
    })
    writeFileSync(file, '{"auths": {"a": {"auth": "c2VjcmV0"')
    const error = await registryAuth(file, 'app').catch(error => error)
    expect(error).toMatchObject({ code: 'INVALID_CONFIG' })
    expect(String(error.stack) + String(error.cause)).not.toContain('c2VjcmV0')
  })
})
