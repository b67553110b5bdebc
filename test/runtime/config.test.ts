import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FezzError } from '../../src/errors.ts'
import {
  type ConfigInput,
  type ConfigSources,
  HhrfConfig,
  resolveConfig,
} from '../../src/runtime/config.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fezz-config-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

let files = 0
/** Writes a config file; text goes in as it is. */
function file(content: unknown): string {
  const path = join(folder, `${files++}.json`)
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

/** The message of the refusal, which must be one line and an INVALID_CONFIG. */
function refusal(input: unknown, sources?: ConfigSources): string {
  try {
    resolveConfig(input as ConfigInput, sources)
  } catch (error) {
    expect(error).toBeInstanceOf(FezzError)
    expect((error as FezzError).code).toBe('INVALID_CONFIG')
    expect((error as FezzError).message).not.toContain('\n')
    return (error as FezzError).message
  }
  throw new Error('nothing was refused')
}

describe('defaults', () => {
  it('are all there, in milliseconds and bytes', () => {
    expect(resolveConfig()).toEqual({
      host: '0.0.0.0',
      port: 8080,
      workers: 1,
      stuckTimeoutMs: 10_000,
      idleTtlMs: 300_000,
      requestTimeoutMs: 30_000,
      maxBodyBytes: 10 * 1024 * 1024,
      listener: 'engine',
      unixSocket: '',
      tlsCert: '',
      tlsKey: '',
      tlsClientCa: '',
      maxHeaderBytes: 16 * 1024,
      maxHeaders: 256,
      maxTargetBytes: 8 * 1024,
      minBodyRateBytes: 512,
      responseStallTimeoutMs: 60_000,
      maxConnections: 0,
      maxAddressConnections: 0,
      maxConnectionRequests: 0,
      maxPipelined: 16,
      maxInFlight: 0,
      maxQueue: 100,
      queueTimeoutMs: 1_000,
      executor: 'in-process',
      functionTimeoutMs: 30_000,
      maxFunctionTimeoutMs: 0,
      functionConcurrency: 0,
      functionMemoryBytes: 0,
      maxFunctionMemoryBytes: 0,
      maxFunctionInstances: 0,
      warmPool: 1,
      killGraceMs: 1_000,
      runDir: '',
      controlGroup: '',
      containerEngine: '',
      nodeImage: 'docker.io/library/node:26-slim',
      registryConfig: '',
      headersTimeoutMs: 20_000,
      keepAliveTimeoutMs: 60_000,
      drainDelayMs: 1_000,
      drainTimeoutMs: 30_000,
      loadTimeoutMs: 30_000,
      unloadTimeoutMs: 10_000,
      maxLoaded: 0,
      maxHeap: 0.85,
      trustedProxies: [],
      cacheDir: resolve('.fezz/cache'),
      logLevel: 'info',
      logFormat: 'auto',
      enableHealth: true,
      enableMetrics: true,
      store: undefined,
      storeUser: '',
      storePassword: undefined,
      storeToken: undefined,
      storeCa: '',
      storeCert: '',
      storeKey: '',
      storeTimeoutMs: 3_000,
      artifacts: '',
      artifactCacheBytes: 2 ** 30,
      stateDir: resolve('.fezz/state'),
      nodeId: '',
      nodeAddress: '',
      nodeZone: '',
      nodeLabels: {},
      nodeCapacity: 1,
      nodeTtlMs: 15_000,
      xdsHost: '127.0.0.1',
      xdsPort: undefined,
      envoyHost: '0.0.0.0',
      envoyPort: 80,
      env: {},
    })
  })

  it('are frozen', () => {
    const config = resolveConfig({ env: { A: '1' }, trustedProxies: '10.0.0.1' })
    expect(Object.isFrozen(config)).toBe(true)
    expect(Object.isFrozen(config.env)).toBe(true)
    expect(Object.isFrozen(config.trustedProxies)).toBe(true)
  })
})

describe('precedence', () => {
  const sources: [string, number, ConfigInput, () => ConfigSources][] = [
    ['the file', 1001, {}, () => ({ file: file({ port: 1001 }) })],
    ['the environment', 1002, {}, () => ({ env: { FEZZ_PORT: '1002' } })],
    ['the program', 1003, { port: 1003 }, () => ({})],
    ['a flag', 1004, {}, () => ({ flags: { port: '1004' } })],
  ]

  it.each(sources)('%s beats the default', (_, port, input, given) => {
    expect(resolveConfig(input, given()).port).toBe(port)
  })

  const pairs = sources.flatMap((weaker, rank) =>
    sources.slice(rank + 1).map(stronger => [stronger[0], weaker[0], stronger, weaker] as const),
  )
  it.each(pairs)('%s beats %s', (_, __, stronger, weaker) => {
    const config = resolveConfig(
      { ...weaker[2], ...stronger[2] },
      { ...weaker[3](), ...stronger[3]() },
    )
    expect(config.port).toBe(stronger[1])
  })

  it('leaves what a stronger source does not name', () => {
    const config = resolveConfig(
      { maxLoaded: undefined },
      { file: file({ maxLoaded: 5, host: '::1' }), env: { FEZZ_PORT: '0' } },
    )
    expect(config).toMatchObject({ maxLoaded: 5, host: '::1', port: 0 })
  })

  it('adds variables up by name, the stronger source winning each', () => {
    const config = resolveConfig(
      { env: { C: 'program', D: 'program' } },
      {
        file: file({ env: { A: 'file', B: 'file', C: 'file', D: 'file' } }),
        env: { FEZZ_ENV_B: 'environment', FEZZ_ENV_C: 'environment', OTHER: 'x' },
        flags: { env: ['D=flag=1', 'E='] },
      },
    )
    expect({ ...config.env }).toEqual({
      A: 'file',
      B: 'environment',
      C: 'program',
      D: 'flag=1',
      E: '',
    })
  })

  it('takes the file of a flag before that of FEZZ_CONFIG', () => {
    const env = { FEZZ_CONFIG: file({ port: 1 }) }
    expect(resolveConfig({}, { env }).port).toBe(1)
    expect(resolveConfig({}, { env, flags: { config: file({ port: 2 }) } }).port).toBe(2)
  })
})

describe('values', () => {
  it.each<[ConfigInput, object]>([
    [{ idleTtl: 1 }, { idleTtlMs: 1_000 }],
    [{ idleTtl: '250ms' }, { idleTtlMs: 250 }],
    [{ queueTimeout: 0 }, { queueTimeoutMs: 0 }],
    [{ maxBodySize: '1KiB' }, { maxBodyBytes: 1024 }],
    [{ maxBodySize: 5 }, { maxBodyBytes: 5 }],
    [{ maxHeap: '50%' }, { maxHeap: 0.5 }],
    [{ maxHeap: 0.7 }, { maxHeap: 0.7 }],
    [{ maxHeap: '512MiB' }, { maxHeap: 512 * 1024 * 1024 }],
    [{ maxHeap: 0 }, { maxHeap: 0 }],
    [{ enableMetrics: 'false' }, { enableMetrics: false }],
    [{ trustedProxies: '10.0.0.0/8, ::1' }, { trustedProxies: ['10.0.0.0/8', '::1'] }],
    [{ trustedProxies: ['fd00::/8'] }, { trustedProxies: ['fd00::/8'] }],
    [{ cacheDir: '/var/cache/fezz' }, { cacheDir: '/var/cache/fezz' }],
    [{ host: '::' }, { host: '::' }],
    [{ xdsPort: 0 }, { xdsPort: 0 }],
    [{ xdsPort: '18000' }, { xdsPort: 18_000 }],
    [{ artifactCacheSize: 0 }, { artifactCacheBytes: 0 }],
    [{ nodeLabels: 'disk=ssd, gpu=' }, { nodeLabels: { disk: 'ssd', gpu: '' } }],
    [{ nodeLabels: { disk: 'ssd' } }, { nodeLabels: { disk: 'ssd' } }],
    [{ store: 'etcd://h' }, { store: { kind: 'etcd', endpoints: ['http://h:2379'] } }],
  ])('%o is %o', (input, expected) => {
    expect(resolveConfig(input)).toMatchObject(expected)
  })

  it.each<[unknown, string | RegExp]>([
    [{ port: 65_536 }, 'setting "port": 65536 is not a whole number from 0 to 65535'],
    [{ port: 1.5 }, 'setting "port": 1.5 is not a whole number from 0 to 65535'],
    [{ port: '' }, 'setting "port": "" is not a whole number from 0 to 65535'],
    [{ maxLoaded: -1 }, 'setting "maxLoaded": -1 is not a whole number from 0 to 2147483647'],
    [{ idleTtl: 0 }, 'setting "idleTtl": 0 is too short; write a time above 0'],
    [{ idleTtl: '5x' }, /^setting "idleTtl": "5x" is not a duration; write /],
    [{ idleTtl: '30d' }, /^setting "idleTtl": "30d" is longer than /],
    [{ maxBodySize: 'big' }, /^setting "maxBodySize": "big" is not a size; write /],
    [{ maxHeaderSize: 10 }, 'setting "maxHeaderSize": 10 is too small; write at least 1024'],
    [{ maxHeap: '100%' }, /^setting "maxHeap": "100%" is neither a share .* nor a size/],
    [{ enableHealth: 'yes' }, 'setting "enableHealth": "yes" is neither true nor false'],
    [{ logFormat: 'xml' }, 'setting "logFormat": "xml" is none of auto, json, pretty'],
    [{ host: 'http://x' }, /^setting "host": "http:\/\/x" is not an address such as /],
    [{ cacheDir: '' }, 'setting "cacheDir": "" is not the path of a folder'],
    [{ trustedProxies: '10.0.0.0/33' }, /^setting "trustedProxies": "10.0.0.0\/33" is not an addr/],
    [{ trustedProxies: ['10.0.0.1/8/8'] }, /"10.0.0.1\/8\/8" is not an address or a block/],
    [{ trustedProxies: 7 }, 'setting "trustedProxies": 7 is not a list of addresses'],
    [{ store: 'redis://h' }, /^setting "store": .* names no kind of store; write etcd:/],
    [{ store: 7 }, 'setting "store": a number is not text'],
    [{ storePassword: 7 }, 'setting "storePassword": a number is not text'],
    [{ xdsPort: 'x' }, 'setting "xdsPort": "x" is not a whole number from 0 to 65535'],
    [{ nodeId: 'a b' }, /^setting "nodeId": "a b" is not valid; write letters, digits/],
    [{ nodeLabels: 'disk' }, /^setting "nodeLabels": "disk" is not a label; write disk=ssd/],
    [{ nodeLabels: 7 }, /^setting "nodeLabels": 7 is not a set of labels/],
    [{ nodeCapacity: 129 }, 'setting "nodeCapacity": 129 is not a whole number from 1 to 128'],
  ])('%o is refused', (input, message) => {
    if (typeof message === 'string') expect(refusal(input)).toBe(message)
    else expect(refusal(input)).toMatch(message)
  })

  it('that are long or hold line ends stay on one short line', () => {
    expect(refusal({ logLevel: `a\nb${'c'.repeat(10_000)}` }).length).toBeLessThan(250)
  })
})

describe('a message', () => {
  it('says where the value came from', () => {
    const path = file({ port: 'abc' })
    const rest = '"abc" is not a whole number from 0 to 65535'
    expect(refusal({}, { file: path })).toBe(`setting "port" in ${path}: ${rest}`)
    expect(refusal({}, { env: { FEZZ_PORT: 'abc' } })).toBe(
      `setting "port" from FEZZ_PORT: ${rest}`,
    )
    expect(refusal({}, { flags: { port: 'abc' } })).toBe(`setting "port" from --port: ${rest}`)
    expect(refusal({ port: 'abc' })).toBe(`setting "port": ${rest}`)
  })

  it('names the nearest setting to one that is unknown', () => {
    const path = file({ idleTTl: '5s' })
    expect(refusal({}, { file: path })).toBe(
      `unknown setting "idleTTl" in ${path}; did you mean "idleTtl"?`,
    )
    expect(refusal({}, { env: { FEZZ_IDLETTL: '5s' } })).toBe(
      'unknown environment variable FEZZ_IDLETTL; did you mean FEZZ_IDLE_TTL?',
    )
    expect(refusal({}, { env: { FEZZ_CONFIGS: 'x' } })).toContain('did you mean FEZZ_CONFIG?')
    expect(refusal({}, { flags: { prot: '1' } })).toBe('unknown flag "prot"; did you mean --port?')
    expect(refusal({ prot: 1 })).toBe('unknown setting "prot"; did you mean "port"?')
    expect(refusal({ constructor: 1 })).toMatch(/^unknown setting "constructor"/)
  })

  it('says what is wrong with a config file', () => {
    const none = join(folder, 'none.json')
    expect(refusal({}, { file: none })).toBe(`config file ${none} cannot be read: ENOENT`)
    const list = file([])
    expect(refusal({}, { file: list })).toBe(`config file ${list} does not hold a JSON object`)
  })

  it('never holds the value of a variable', () => {
    const broken = [
      file('{ "env": { "KEY": "s3cret }'),
      file('{ "env": { "KEY": s3cret } }'),
      file('s3cret'),
    ]
    for (const path of broken) {
      expect(refusal({}, { file: path })).toContain(`config file ${path} is not valid JSON`)
      expect(refusal({}, { file: path })).not.toContain('s3cret')
    }
    expect(refusal({ env: { KEY: ['s3cret'] } })).toBe(
      'setting "env": variable "KEY" is not text; quote its value',
    )
    expect(refusal({ env: { toJSON: 's3cret' } })).toBe(
      'setting "env": no variable can be called "toJSON"',
    )
    expect(refusal({ env: { '': 's3cret' } })).toBe('setting "env": a variable has no name')
    expect(refusal({}, { flags: { env: ['s3cret'] } })).toBe(
      'setting "env" from --env: write NAME=value',
    )
    expect(refusal({}, { flags: { env: ['=s3cret'] } })).not.toContain('s3cret')
  })
})

describe('variables', () => {
  const config = resolveConfig({ env: { KEY: 's3cret', toString: 's3cret' } })

  it('print redacted, however they are printed', () => {
    const printed = [
      inspect(config, { showHidden: true, depth: 9 }),
      JSON.stringify(config),
      JSON.stringify(config.env),
      `${config} ${resolveConfig({ env: { KEY: 's3cret' } }).env}`,
    ]
    for (const text of printed) expect(text).not.toContain('s3cret')
    expect(inspect(config.env)).toContain("KEY: '[redacted]'")
  })

  it('are plain values to whoever reads them', () => {
    expect(config.env['KEY']).toBe('s3cret')
    expect({ ...config.env }).toEqual({ KEY: 's3cret', toString: 's3cret' })
    expect('constructor' in config.env).toBe(false)
  })
})

describe('secrets', () => {
  const secrets = {
    store: 'etcd://root:s3cret@h',
    storePassword: 's3cret',
    storeToken: 's3cret',
  }

  it('print redacted, however they are printed', () => {
    const config = resolveConfig(secrets)
    const fluent = new HhrfConfig().set(secrets)
    for (const each of [config, fluent]) {
      expect(inspect(each, { showHidden: true, depth: 9 })).not.toContain('s3cret')
      expect(JSON.stringify(each)).not.toContain('s3cret')
    }
    expect(`${config.storeToken}`).toBe('[redacted]')
    expect(config.storeToken?.reveal()).toBe('s3cret')
  })

  it('are in no message', () => {
    expect(refusal({ store: 'etcd://root:s3cret@' })).not.toContain('s3cret')
    expect(refusal({ store: 's3cret' })).not.toContain('s3cret')
  })
})

describe('HhrfConfig', () => {
  it('is the fluent form of the same settings', () => {
    const config = new HhrfConfig()
      .host('127.0.0.1')
      .port(0)
      .idleTtl('5s')
      .env('A', '1')
      .trustedProxies(['::1'])
      .set({ maxLoaded: 3, env: { B: '2' } })
      .env('C', '3')
    expect(config.build()).toMatchObject({
      host: '127.0.0.1',
      port: 0,
      idleTtlMs: 5_000,
      trustedProxies: ['::1'],
      maxLoaded: 3,
      env: { A: '1', B: '2', C: '3' },
    })
    expect(resolveConfig(config)).toEqual(config.build())
  })

  it('ranks as the program: above the environment, below flags', () => {
    const config = new HhrfConfig().port(1).host('::1')
    expect(config.build({ env: { FEZZ_PORT: '2' } }).port).toBe(1)
    expect(config.build({ flags: { port: 3 } }).port).toBe(3)
  })

  it('is checked when it is built, with the same words', () => {
    expect(() => new HhrfConfig().port(-1).build()).toThrow(
      'setting "port": -1 is not a whole number from 0 to 65535',
    )
  })

  it('prints redacted', () => {
    const config = new HhrfConfig().port(1).env('KEY', 's3cret')
    expect(inspect(config, { showHidden: true })).not.toContain('s3cret')
    expect(JSON.stringify(config)).toBe('{"port":1,"env":{"KEY":"[redacted]"}}')
  })
})
