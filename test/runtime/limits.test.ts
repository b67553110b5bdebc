import { describe, expect, it } from 'vitest'
import type { Code } from '../../src/function/contract.ts'
import type { ManifestInput } from '../../src/function/manifest.ts'
import { checkManifest } from '../../src/function/manifest-schema.ts'
import { type ConfigInput, resolveConfig } from '../../src/runtime/config.ts'
import { HostServer } from '../../src/runtime/host-server.ts'
import { ceilingRefusal, completeDeployment } from '../../src/runtime/limits.ts'

const LIVE: Code = { kind: 'live', value: () => {}, webTypes: 'fezz' }
const ARTIFACT: Code = {
  kind: 'artifact',
  sha256: '0'.repeat(64),
  folder: '/nowhere',
  exportName: 'default',
  entry: '/nowhere/f.ts',
}
const PROGRAM: Code = {
  kind: 'program',
  sha256: '0'.repeat(64),
  folder: '/nowhere',
  command: ['./app'],
  protocol: 'http',
  env: {},
  reads: [],
}
const IMAGE: Code = { kind: 'image', image: 'app:1' }

const manifestOf = (declared: Partial<ManifestInput>) =>
  checkManifest({ id: 'f', ...declared }, 'f')

function complete(config: ConfigInput, declared: Partial<ManifestInput> = {}, code = ARTIFACT) {
  const deployment = { manifest: manifestOf(declared), code, env: {} }
  return completeDeployment(deployment, resolveConfig(config)).manifest
}

describe('what a function does not declare', () => {
  it('is what the host is set to', () => {
    expect(complete({})).toMatchObject({ timeoutMs: 30_000, execution: { executor: 'in-process' } })
    const config = { functionTimeout: '5s', functionConcurrency: 7 } as const
    expect(complete(config)).toMatchObject({ timeoutMs: 5_000, maxConcurrency: 7 })
    expect(complete(config, { timeout: '9s', maxConcurrency: 1 })).toMatchObject({
      timeoutMs: 9_000,
      maxConcurrency: 1,
    })
    expect(complete({})).not.toHaveProperty('maxConcurrency')
  })

  it.each([
    ['an artifact', ARTIFACT, 'thread'],
    ['a value of the program', LIVE, 'in-process'],
    ['a program', PROGRAM, 'process'],
    ['an image', IMAGE, 'container'],
  ])('its executor: for %s', (_, code, executor) => {
    expect(complete({ executor: 'thread' }, {}, code).execution.executor).toBe(executor)
  })

  it('its executor: its own word counts', () => {
    const { execution } = complete({ executor: 'thread' }, { executor: 'process' })
    expect(execution.executor).toBe('process')
  })

  it.each<[ConfigInput, Partial<ManifestInput>, number | undefined]>([
    [{ executor: 'thread' }, {}, undefined],
    [{ executor: 'thread', functionMemory: '64MiB' }, {}, 64 * 2 ** 20],
    [{ executor: 'thread', functionMemory: '64MiB' }, { memory: '16MiB' }, 2 ** 24],
    [{ executor: 'in-process', functionMemory: '64MiB' }, {}, undefined],
    [{ executor: 'process', maxFunctionMemory: '32MiB' }, {}, 32 * 2 ** 20],
    [
      { executor: 'process', functionMemory: '64MiB', maxFunctionMemory: '32MiB' },
      {},
      32 * 2 ** 20,
    ],
  ])('its memory, where the executor can hold it: %o %o', (config, declared, memoryBytes) => {
    expect(complete(config, declared).execution.memoryBytes).toBe(memoryBytes)
  })

  it('is never above a ceiling', () => {
    expect(complete({ maxFunctionTimeout: '2s' }).timeoutMs).toBe(2_000)
    expect(complete({ functionTimeout: '1s', maxFunctionTimeout: '2s' }).timeoutMs).toBe(1_000)
  })

  it('is filled in on a copy of its own', () => {
    const deployment = { manifest: manifestOf({}), code: LIVE, env: {} }
    const config = resolveConfig()
    const first = completeDeployment(deployment, config)
    expect(completeDeployment(deployment, config)).not.toBe(first)
    expect(completeDeployment(first, config)).toEqual(first)
    expect(deployment.manifest).not.toHaveProperty('timeoutMs')
  })
})

describe('a ceiling', () => {
  it.each<[Partial<ManifestInput>, ConfigInput, string]>([
    [
      { timeout: '5m' },
      { maxFunctionTimeout: '1m' },
      'Function "f": timeout is 300000 ms, and this host\'s maxFunctionTimeout is 60000 ms; declare less, or raise maxFunctionTimeout',
    ],
    [
      { memory: '2MiB' },
      { maxFunctionMemory: '1MiB' },
      'Function "f": memory is 2097152 bytes, and this host\'s maxFunctionMemory is 1048576 bytes; declare less, or raise maxFunctionMemory',
    ],
    [
      { instances: 5 },
      { maxFunctionInstances: 4 },
      'Function "f": instances is 5, and this host\'s maxFunctionInstances is 4; declare less, or raise maxFunctionInstances',
    ],
    [{ minInstances: 5 }, { maxFunctionInstances: 4 }, 'minInstances is 5, '],
    [{ maxInstances: 5 }, { maxFunctionInstances: 4 }, 'maxInstances is 5, '],
  ])('refuses %o where the host has %o', (declared, config, message) => {
    const refusal = ceilingRefusal(manifestOf(declared), resolveConfig(config))
    expect(refusal?.code).toBe('INVALID_MANIFEST')
    expect(refusal?.message).toContain(message)
  })

  it.each<[Partial<ManifestInput>, ConfigInput]>([
    [{ timeout: '1m', memory: '1MiB', instances: 4 }, { maxFunctionTimeout: '1m' }],
    [{ maxInstances: 4 }, { maxFunctionInstances: 4 }],
    [{}, { maxFunctionTimeout: '1s', maxFunctionMemory: '1MiB', maxFunctionInstances: 1 }],
    [{ timeout: '1d', memory: '9GiB', instances: 999 }, {}],
  ])('lets pass %o where the host has %o', (declared, config) => {
    expect(ceilingRefusal(manifestOf(declared), resolveConfig(config))).toBeUndefined()
  })

  it.each<[string, Partial<ManifestInput>, Code, ConfigInput]>([
    ['ceiling', { timeout: '2s' }, LIVE, { maxFunctionTimeout: '1s' }],
    ['default', { executor: 'thread' }, ARTIFACT, { functionMemory: '8MiB' }],
  ])('or a %s that it cannot run with is a problem of that function alone', async (...given) => {
    const [, declared, own, config] = given
    await using server = new HostServer({ logLevel: 'silent', ...config }, { env: {} })
    const answer = () => new Response('ok')
    const code: Code = { kind: 'live', value: answer, webTypes: 'platform' }
    const failures = await server.deploy({
      set: [
        { manifest: manifestOf({ path: '/bad', id: 'bad', ...declared }), code: own },
        { manifest: manifestOf({ path: '/f' }), code },
      ],
    })
    expect(failures).toMatchObject([{ id: 'bad', error: { code: 'INVALID_MANIFEST' } }])
    expect((await server.fetch(new Request('http://h/bad'))).status).toBe(404)
    expect(await (await server.fetch(new Request('http://h/f'))).text()).toBe('ok')
  })
})
