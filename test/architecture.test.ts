import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '..')

/** A folder imports only from itself and from those behind it in this list. */
const LAYERS = [
  'src/cli',
  'src/runtime',
  'src/control-plane',
  'src/xds',
  'src/executors',
  'src/loader',
  'src/function',
  'src/routing',
  'src/http',
  'src/telemetry',
] as const

/** Single files that every layer may use. */
const SHARED = [
  'src/backoff.ts',
  'src/by-id.ts',
  'src/errors.ts',
  'src/clock.ts',
  'src/nearest.ts',
  'src/schema.ts',
  'src/secret.ts',
  'src/show.ts',
  'src/units.ts',
]

/** A vendor package has one importing file. */
const VENDORS: Readonly<Record<string, string>> = {
  '@grpc/grpc-js': 'src/xds/grpc-transport.ts',
  commander: 'src/cli/commander.ts',
  consul: 'src/control-plane/consul/connection.ts',
  dockerode: 'src/executors/container/engine.ts',
  esbuild: 'src/loader/bundle.ts',
  'etcd3/lib/connection-pool.js': 'src/control-plane/etcd/connection.ts',
  'find-my-way': 'src/routing/path-tree.ts',
  pino: 'src/telemetry/logger.ts',
  'pino-pretty': 'src/telemetry/logger.ts',
  'prom-client/lib/registry.js': 'src/telemetry/prometheus.ts',
  protobufjs: 'src/xds/codec.ts',
  'reflect-metadata/lite': 'decorators/index.ts',
  undici: 'src/executors/http/connections.ts',
  'zod/mini': 'src/schema.ts',
}

interface Import {
  readonly file: string
  readonly specifier: string
  readonly typeOnly: boolean
  /** `import()`: only once it is wanted. */
  readonly isLater: boolean
}

const IMPORT =
  /^\s*(import|export)(\s+type)?\b[^'"]*?from\s+'([^']+)'|\bimport\('([^']+)'\)|^import '([^']+)'/gm

function importsBelow(folder: string): Import[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .flatMap(name => {
      const file = join(folder, name)
      const source = readFileSync(join(root, file), 'utf8')
      return Array.from(source.matchAll(IMPORT), match => ({
        file,
        specifier: (match[3] ?? match[4] ?? match[5]) as string,
        typeOnly: match[2] !== undefined,
        isLater: match[4] !== undefined,
      }))
    })
}

function targetOf({ file, specifier }: Import): string {
  return relative(root, resolve(root, dirname(file), specifier))
}

const imports = [...importsBelow('src'), ...importsBelow('decorators')]
const relativeImports = imports.filter(({ specifier }) => specifier.startsWith('.'))

describe('architecture', () => {
  it.each(LAYERS.map((layer, index) => [layer, LAYERS.slice(index)] as const))(
    '%s imports only from itself and the folders below it',
    (layer, allowed) => {
      const strangers = relativeImports
        .filter(({ file }) => file.startsWith(`${layer}/`))
        .map(found => [found.file, targetOf(found)] as const)
        .filter(([, target]) => !SHARED.includes(target))
        .filter(([, target]) => !allowed.some(folder => target.startsWith(`${folder}/`)))
      expect(strangers).toEqual([])
    },
  )

  it('the decorators need nothing of src at run time', () => {
    const atRunTime = relativeImports
      .filter(({ file, typeOnly }) => file.startsWith('decorators/') && !typeOnly)
      .map(targetOf)
      .filter(target => target.startsWith('src/'))
    expect(atRunTime).toEqual([])
  })

  it('a host that starts does not load the schemas', () => {
    const loaded = new Set(['src/cli/main.ts', 'src/cli/program.ts', 'src/cli/serve.ts'])
    // What is added meanwhile is looked at too.
    for (const file of loaded) {
      for (const found of relativeImports) {
        if (found.file === file && !found.typeOnly && !found.isLater) loaded.add(targetOf(found))
      }
    }
    expect(loaded).toContain('src/runtime/host-server.ts')
    expect([...loaded].filter(file => /\bschema\.ts$/.test(file))).toEqual([])
  })

  it('each vendor package has one importing file', () => {
    const vendors = imports.filter(({ specifier }) => !/^(\.|node:)/.test(specifier))
    const strangers = vendors.filter(({ file, specifier }) => VENDORS[specifier] !== file)
    expect(strangers).toEqual([])
    expect(new Set(vendors.map(({ specifier }) => specifier))).toEqual(
      new Set(Object.keys(VENDORS)),
    )
  })

  it('barrels list names', () => {
    const stars = imports.filter(({ file }) => file.endsWith('index.ts')).map(({ file }) => file)
    for (const file of new Set(stars)) {
      expect(readFileSync(join(root, file), 'utf8')).not.toMatch(/export \*/)
    }
  })
})
