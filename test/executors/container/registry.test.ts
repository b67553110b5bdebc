import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasPodman } from '../../services/podman-service.ts'
import { type Registry, registryProgram, startRegistry } from '../../services/registry.ts'
import { call } from '../http/http-setup.ts'
import { Containers } from './container-setup.ts'

const isAble = (await hasPodman()) && (await registryProgram()) !== undefined

describe.skipIf(!isAble)('an image in a registry', { timeout: 60_000 }, () => {
  let registry: Registry
  let image: string
  const folder = mkdtempSync(join(tmpdir(), 'fezz-registry-config-'))
  const registryConfig = join(folder, 'config.json')

  beforeAll(async () => {
    registry = await startRegistry()
    await using containers = await Containers.open()
    image = await registry.push(containers.api, containers.image, 'app:v1')
  })

  afterAll(async () => {
    await registry[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  const credentials = (password: string) => {
    const auth = btoa(`${registry.username}:${password}`)
    return writeFile(
      registryConfig,
      JSON.stringify({ auths: { [`http://${registry.address}/v2/`]: { auth } } }),
    )
  }

  const failure = async (containers: Containers, reference = image) => {
    const load = containers.executor.load(containers.function({}, reference))
    const error = await load.then(
      () => undefined,
      error => error,
    )
    expect(error).toMatchObject({ code: 'ARTIFACT_UNAVAILABLE' })
    return error as Error
  }

  it('is not pulled without credentials, which is said', async () => {
    await using containers = await Containers.open()
    expect((await failure(containers)).message).toContain('set registryConfig')
  })

  it('is not pulled where a helper has them, which is said', async () => {
    await writeFile(registryConfig, JSON.stringify({ auths: { [registry.address]: {} } }))
    await using containers = await Containers.open({ registryConfig })
    const { message } = await failure(containers)
    expect(message).toContain(`${registryConfig} has none for it`)
    expect(message).toContain('credential helpers are not asked')
  })

  it('is not pulled with wrong ones, which nobody gets to see', async () => {
    await credentials('wrong-password')
    await using containers = await Containers.open({ registryConfig })
    const error = await failure(containers)
    expect(error.message).toContain('refuses those it was given')
    expect(inspect(error, { depth: 9 })).not.toContain('wrong-password')
    expect(JSON.stringify(containers.lines)).not.toContain('wrong-password')
  })

  it('is not there, which is said', async () => {
    await credentials(registry.password)
    await using containers = await Containers.open({ registryConfig })
    const error = await failure(containers, `${registry.address}/nothing:v1`)
    expect(error.message).toContain('does not have it')
  })

  it('is pulled while another registry does not answer', async () => {
    await credentials(registry.password)
    await using containers = await Containers.open({ registryConfig })
    const other = await registry.push(containers.api, containers.image, 'other:v1')
    const silent = createServer(() => {}).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const { port } = silent.address() as AddressInfo
    for (const name of ['one', 'two', 'three']) {
      containers.executor.prepare(containers.function({}, `127.0.0.1:${port}/${name}:v1`))
    }
    const isPulling = () => containers.messages.filter(message => message === 'pulling an image')
    await expect.poll(isPulling).toHaveLength(2)
    const instance = await containers.executor.load(containers.function({}, other))
    expect((await call(instance, '/')).status).toBe(200)
    expect(isPulling()).toHaveLength(3)
    silent.close()
  })

  it('is pulled with the right ones, once for all who want it', async () => {
    await credentials('wrong-password')
    await using containers = await Containers.open({ registryConfig })
    await failure(containers)
    // The file is read again: a host is not restarted for that.
    await credentials(registry.password)
    containers.executor.prepare(containers.function({ id: 'prepared' }, image))
    const instances = await Promise.all(
      ['one', 'two'].map(id => containers.executor.load(containers.function({ id }, image))),
    )
    for (const instance of instances) expect((await call(instance, '/')).status).toBe(200)
    const pulls = containers.messages.filter(message => message === 'pulling an image')
    expect(pulls).toHaveLength(2)
  })
})

describe('without an engine', () => {
  it('a load fails, and says what is missing', async () => {
    if (!(await hasPodman())) return
    await using containers = await Containers.open({ engine: { socketPath: '/nowhere.sock' } })
    const load = containers.executor.load(containers.function())
    await expect(load).rejects.toMatchObject({
      code: 'FUNCTION_LOAD_FAILED',
      message: expect.stringContaining('no container engine answers at /nowhere.sock'),
    })
  })
})
