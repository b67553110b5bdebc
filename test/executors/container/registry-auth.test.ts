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
    ['index.docker.io/v1/', 'team/app'],
    ['docker.io', 'index.docker.io/team/app'],
    ['registry.example.com/team', 'registry.example.com/team/app:1'],
    ['registry.example.com/team/app', 'registry.example.com/team/app@sha256:00'],
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

  it('are those of the most specific entry, as podman has them', async () => {
    const entry = (user: string) => ({ auth: btoa(`${user}:secret`) })
    write({
      'a.example.com/team': entry('team'),
      'a.example.com/team/app': entry('app'),
      'a.example.com': entry('all'),
    })
    const userOf = async (image: string) => {
      const auth = (await registryAuth(file, image)) as { username?: string } | undefined
      return auth?.username
    }
    expect(await userOf('a.example.com/team/app:v1')).toBe('app')
    expect(await userOf('a.example.com/team/other')).toBe('team')
    expect(await userOf('a.example.com/teammate/x')).toBe('all')
  })

  it('are UTF-8, as docker login writes them', async () => {
    write({ 'a.example.com': { auth: Buffer.from('mé:pässwörd€').toString('base64') } })
    const found = { username: 'mé', password: 'pässwörd€' }
    expect(await registryAuth(file, 'a.example.com/x')).toMatchObject(found)
  })

  it('that are not user:password are told of, and not shown', async () => {
    for (const auth of ['%%secret%%', btoa('secret')]) {
      write({ 'a.example.com': { auth } })
      const error = await registryAuth(file, 'a.example.com/x').catch(error => error)
      expect(error).toMatchObject({ code: 'INVALID_CONFIG' })
      expect(error.message).toContain('a.example.com')
      expect(error.stack).not.toContain('secret')
    }
  })

  it('are none where the file has none', async () => {
    write({ 'a.example.com': {}, 'b.example.com': { auth: btoa('me:secret') } })
    expect(await registryAuth(file, 'a.example.com/x')).toBeUndefined()
    write({ 'a.example.com': { auth: '' }, 'b.example.com': { auth: btoa('me:secret') } })
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
