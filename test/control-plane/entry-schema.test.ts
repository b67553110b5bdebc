import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromJSONSchema } from 'zod'
import {
  checkFunctionEntry,
  formatFunctionEntry,
  parseDrain,
  parseFunctionEntry,
  parseNodeEntry,
  parseNodeStatus,
} from '../../src/control-plane/entry-schema.ts'
import { FunctionEntry } from '../../src/control-plane/function-entry.ts'
import { findJsonError } from '../../src/control-plane/json-text.ts'
import { FezzError } from '../../src/errors.ts'
import { METHODS } from '../../src/function/manifest.ts'
import { checkManifest } from '../../src/function/manifest-schema.ts'

const KEY = 'fezz/v1/functions/hello'
const SHA256 = 'a1'.repeat(32)
const parse = (value: unknown) => parseFunctionEntry(KEY, JSON.stringify(value))

function refusal(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(FezzError)
    expect((error as FezzError).code).toBe('INVALID_ENTRY')
    expect((error as FezzError).cause).toBeUndefined()
    return (error as FezzError).message
  }
  throw new Error('it was not refused')
}

describe('parseFunctionEntry', () => {
  it('fills in every default', () => {
    const entry = parse({ manifest: { path: '/hello' } })
    expect(entry.manifest).toEqual(checkManifest({ id: 'hello', path: '/hello' }, 'test'))
    expect(entry).toMatchObject({
      id: 'hello',
      code: undefined,
      placement: {},
      balance: 'affinity',
    })
  })

  it('keeps what is written', () => {
    const entry = parse({
      $schema: '../docs/schema/function-entry.v1.json',
      manifest: { id: 'hello', path: '/hello', timeout: '5s', env: { A: 'b' } },
      code: { sha256: SHA256, url: 'https://example.com/b.cjs?signature=s' },
      placement: { nodes: ['node-1'], labels: { disk: 'ssd' } },
      balance: 'spread',
    })
    expect(entry.manifest).toMatchObject({ timeoutMs: 5_000, env: { A: 'b' } })
    expect(entry.code).toEqual({
      sha256: SHA256,
      exportName: 'default',
      url: 'https://example.com/b.cjs?signature=s',
    })
    expect(entry.placement).toEqual({ nodes: ['node-1'], labels: { disk: 'ssd' } })
    expect(entry.balance).toBe('spread')
  })

  it('holds the id to all of the key behind the prefix', () => {
    expect(refusal(() => parseFunctionEntry('fezz/v1/functions/a/b', '{"manifest":{}}'))).toBe(
      `fezz/v1/functions/a/b: the key ends in "a/b", which is no id; write at most 128 letters, digits, ".", "_" and "-", the first a letter or digit`,
    )
    expect(parseFunctionEntry('folder/hello', '{"manifest":{}}').id).toBe('hello')
  })

  it.each<[string, unknown, string]>([
    [
      'another id',
      { manifest: { id: 'b' } },
      `: manifest.id "b" is not that of the key; write "hello"`,
    ],
    [
      'an id of another type',
      { manifest: { id: null } },
      ': manifest.id null is not that of the key',
    ],
    ['no manifest', {}, ': manifest is missing; write an object, such as { "path": "/hello" }'],
    ['a list for a manifest', { manifest: ['x'] }, ': manifest is a list; write an object'],
    ['an unknown field', { manifest: {}, cod: 1 }, ': cod is not a field; did you mean "code"?'],
    ['one far away', { manifest: {}, xyz: 1 }, ': xyz is not a field; there are manifest, code, '],
    ['a bad timeout', { manifest: { timeout: 'soon' } }, ', manifest: timeout "soon" is not a dur'],
    [
      'milliseconds',
      { manifest: { timeoutMs: 5 } },
      ', manifest: timeoutMs is not a field; did you',
    ],
    ['a bad path', { manifest: { path: 'x' } }, ', manifest: path "x" must start with "/"; write'],
    ['a bad route', { manifest: { routes: ['x'] } }, ', manifest, routes[0]: path "x" must start'],
    ['no sha256', { manifest: {}, code: {} }, ': code.sha256 is missing; write the sha256 of'],
    [
      'a short one',
      { manifest: {}, code: { sha256: 'A' } },
      ': code.sha256 "A" is not valid; write',
    ],
    ['no nodes', { manifest: {}, placement: { nodes: [] } }, ': placement.nodes is empty; name a'],
    [
      'a bad node',
      { manifest: {}, placement: { nodes: ['a b'] } },
      ': placement.nodes[0] "a b" is',
    ],
    ['nodes as text', { manifest: {}, placement: { nodes: 'a' } }, ': placement.nodes "a" is not'],
    [
      'a field of it',
      { manifest: {}, placement: { node: 'a' } },
      ': placement.node is not a field',
    ],
    [
      'a bad label',
      { manifest: {}, placement: { labels: { a: 1 } } },
      ': placement.labels.a 1 is not',
    ],
    [
      'a balance',
      { manifest: {}, balance: 'x' },
      ': balance "x" is not valid; write "affinity" or',
    ],
    ['a list', [], ': is a list; write an object, such as { "manifest"'],
    ['null', null, ': is null; write an object'],
  ])('refuses %s, naming key, field and value', (_, value, message) => {
    expect(refusal(() => parse(value))).toContain(KEY + message)
  })

  it.each([
    ['{\n  "manifest": {},\n  "secret": hunter2\n}', 'is not JSON: look at line 3, column 13'],
    [
      '{ "manifest": { "env": { "A": "hunter2" ',
      'is not JSON: it ends too early, in line 1, column 41',
    ],
    ['hunter2', 'is not JSON: look at line 1, column 1'],
    ['', 'is not JSON: it ends too early, in line 1, column 1'],
    ['{} hunter2', 'is not JSON: look at line 1, column 4'],
    ['{"a":1,}', 'is not JSON: look at line 1, column 8'],
  ])('names the place where %j stops to be JSON, and no content', (value, message) => {
    expect(refusal(() => parseFunctionEntry(KEY, value))).toBe(`${KEY}: ${message}`)
  })

  it.each<[string, unknown]>([
    ['a variable', { manifest: { env: { PASSWORD: ['hunter2'] } } }],
    ['variables as text', { manifest: { env: 'PASSWORD=hunter2' } }],
    ['the manifest', { manifest: 'hunter2' }],
    ['the code', { manifest: {}, code: 'https://example.com/?signature=hunter2' }],
    ['a signed URL', { manifest: {}, code: { sha256: SHA256, url: 's3://a/?signature=hunter2' } }],
    ['what is no URL', { manifest: {}, code: { sha256: SHA256, url: 'hunter2' } }],
    ['the whole', 'hunter2'],
  ])('never shows what may be a secret: %s', (_, value) => {
    expect(refusal(() => parse(value))).not.toContain('hunter2')
  })

  it('does not need a key when the manifest says the id', () => {
    expect(checkFunctionEntry({ manifest: { id: 'a' } }, 'a.json').id).toBe('a')
    expect(refusal(() => checkFunctionEntry({ manifest: {} }, 'a.json'))).toContain(
      'a.json, manifest: id is missing',
    )
  })
})

describe('formatFunctionEntry', () => {
  it('writes what a person would', () => {
    const entry = new FunctionEntry({ id: 'hello', path: '/hello', timeout: 90 }).onNode('node-1')
    expect(formatFunctionEntry(entry)).toBe(`{
  "manifest": {
    "id": "hello",
    "version": "v1",
    "method": "GET",
    "path": "/hello",
    "timeout": "90s"
  },
  "placement": {
    "nodes": [
      "node-1"
    ]
  }
}
`)
  })

  it.each([
    ['500ms', '500ms'],
    [60, '1m'],
    ['36h', '36h'],
    ['2d', '2d'],
    [0.0015, '1.5ms'],
  ])('writes the timeout %j as %s', (timeout, text) => {
    const { manifest } = JSON.parse(formatFunctionEntry(new FunctionEntry({ id: 'a', timeout })))
    expect(manifest.timeout).toBe(text)
  })

  it('is read back as it was', () => {
    fc.assert(
      fc.property(entries, entry => {
        const read = parseFunctionEntry(`fezz/v1/functions/${entry.id}`, formatFunctionEntry(entry))
        expect(read).toEqual(entry)
        expect(read.equals(entry)).toBe(true)
      }),
      { numRuns: 500 },
    )
  })
})

const ids = fc.stringMatching(/^[a-zA-Z\d][\w.-]{0,20}$/)
const methods = fc.oneof(
  fc.constant('ANY' as const),
  fc.uniqueArray(fc.constantFrom(...METHODS), { minLength: 1 }),
)
const routes = fc.uniqueArray(
  fc.record(
    {
      // Distinct first segments, so that no two routes match the same requests.
      path: fc
        .tuple(
          fc.stringMatching(/^[a-zé%]{1,6}$/),
          fc.constantFrom('', '/', '/:id', '/*', '/a/:b/*'),
        )
        .map(([first, rest]) => `/${first.replaceAll('%', '%25')}${rest}`),
      method: methods,
      host: fc.constantFrom('a.example.com', '*.b.org', 'BÜCHER.example', '[::1]'),
      priority: fc.integer({ min: -5, max: 5 }),
    },
    { requiredKeys: ['path'] },
  ),
  { minLength: 1, maxLength: 4, selector: ({ path }) => path.split('/')[1] },
)
const durations = fc.oneof(
  fc.integer({ min: 1, max: 2_000_000 }),
  fc.double({ min: 1e-3, max: 2_000_000, noNaN: true }),
  fc.constantFrom('1ms', '1500ms', '90s', '5m', '1.5h', '1d'),
)
const texts = fc.string({ unit: 'grapheme', maxLength: 30 }).filter(text => !text.includes('\0'))
const names = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_]{0,8}$/)
const manifests = fc
  .record(
    {
      id: ids,
      version: fc.stringMatching(/^[\w.+-]{1,12}$/),
      description: texts,
      routes,
      timeout: durations,
      idleTtl: durations,
      preload: fc.boolean(),
      maxConcurrency: fc.integer({ min: 1, max: 1_000 }),
      env: fc.dictionary(names, texts, { noNullPrototype: true }),
      executor: fc.constantFrom('in-process', 'thread', 'process', 'container'),
      command: fc.array(texts.filter(Boolean), { minLength: 1, maxLength: 3 }),
      maxInstances: fc.integer({ min: 1, max: 1_000 }),
      rateLimit: fc.double({ min: 1e-3, max: 1e9, noNaN: true }),
      memory: fc.integer({ min: 2 ** 20, max: 2 ** 40 }),
      cpuTime: fc.integer({ min: 1, max: 2_000_000 }),
      maxOutput: fc.constantFrom('1KB', '10MiB', 7),
      network: fc.boolean(),
      healthCheckInterval: fc.double({ min: 0.1, max: 1_000, noNaN: true }),
    },
    { requiredKeys: ['id', 'routes'] },
  )
  .map(input => checkManifest(input, 'test'))
const code = fc.record(
  {
    sha256: fc.stringMatching(/^[\da-f]{64}$/),
    exportName: fc.constantFrom('default', 'handler'),
    url: fc.webUrl({ withQueryParameters: true }),
  },
  { requiredKeys: ['sha256', 'exportName'] },
)
const placement = fc.record(
  {
    nodes: fc.array(ids, { minLength: 1, maxLength: 3 }),
    labels: fc.dictionary(names, texts, { noNullPrototype: true }),
  },
  { requiredKeys: [] },
)
const entries = fc
  .tuple(
    manifests,
    fc.record(
      { code, placement, balance: fc.constantFrom('affinity' as const, 'spread' as const) },
      { requiredKeys: [] },
    ),
  )
  .map(([manifest, options]) => new FunctionEntry(manifest, options))

describe('findJsonError', () => {
  const json = fc.json().map(text => JSON.stringify(JSON.parse(text), null, 1))
  const isJson = (text: string) => {
    try {
      JSON.parse(text)
      return true
    } catch {
      return false
    }
  }

  it('finds nothing in JSON, and something in everything else', () => {
    const damaged = fc
      .tuple(
        json,
        fc.nat(),
        fc.constantFrom('', '"', '{', ']', ',', ':', '0', '\\', '\n', 'x', '-'),
      )
      .map(([text, at, put]) => {
        const place = at % (text.length + 1)
        return text.slice(0, place) + put + text.slice(place + 1)
      })
    fc.assert(
      fc.property(fc.oneof(json, damaged), text => {
        expect(findJsonError(text) === undefined).toBe(isJson(text))
      }),
      { numRuns: 3_000 },
    )
  })

  it('finds the end where a text was cut off between two tokens', () => {
    for (const text of ['{', '[', '{"a"', '{"a":', '{"a":1', '{"a":1,', '[1,', '[{}', ' ']) {
      expect(findJsonError(text)).toBe(text.length)
    }
  })
})

const NODE = {
  id: 'node-1',
  address: '10.0.0.1',
  port: 8080,
  zone: 'a',
  labels: { disk: 'ssd' },
  capacity: 2,
  state: 'ready',
  run: 'i1',
  version: '0.4.0',
  startedAt: '2026-11-21T12:00:00.000Z',
}
const parseNode = (value: unknown) => parseNodeEntry('fezz/v1/nodes/node-1', JSON.stringify(value))

describe('parseNodeEntry', () => {
  it('reads what a node writes', () => {
    expect(parseNode(NODE)).toEqual(NODE)
    expect(parseNode({ ...NODE, address: '2001:db8::1' }).address).toBe('2001:db8::1')
  })

  it('fills in what a person may leave out', () => {
    const { id, zone, labels, capacity, ...rest } = NODE
    expect(parseNode(rest)).toEqual({ ...NODE, zone: '', labels: {}, capacity: 1 })
  })

  it('leaves out what a later version may add', () => {
    expect(parseNode({ ...NODE, colour: 'red' })).toEqual(NODE)
  })

  it.each<[Record<string, unknown>, string]>([
    [{ id: 'node-2' }, 'id "node-2" is not that of the key; write "node-1"'],
    [{ address: 'localhost' }, 'address "localhost" is not valid; write an IP address'],
    [{ address: undefined }, 'address is missing; write an IP address'],
    [{ port: 0 }, 'port 0 is not valid; write a whole number from 1 to 65535'],
    [{ port: '80' }, 'port "80" is not valid; write a whole number'],
    [{ capacity: 129 }, 'capacity 129 is not valid; write a whole number from 1 to 128'],
    [{ state: 'gone' }, 'state "gone" is not valid; write "starting" or "ready" or "draining"'],
    [{ labels: { a: null } }, 'labels.a null is not valid; write text'],
    [{ labels: [] }, 'labels is not an object; write labels by name'],
    [{ startedAt: 'today' }, 'startedAt "today" is not valid; write a time such as'],
    [{ startedAt: '2026-99-99T' }, 'startedAt "2026-99-99T" is not valid; write a time such as'],
  ])('refuses %j', (more, message) => {
    expect(refusal(() => parseNode({ ...NODE, ...more }))).toContain(
      `fezz/v1/nodes/node-1: ${message}`,
    )
  })
})

describe('parseNodeStatus', () => {
  const read = (value: unknown) => parseNodeStatus('fezz/v1/status/a', JSON.stringify(value))

  it('reads what a host writes', () => {
    const status = { revision: '12', functions: 3, problems: [{ id: 'a', message: 'no' }] }
    expect(read({ ...status, later: true })).toEqual(status)
  })

  it.each<[unknown, string]>([
    [{ revision: 12, functions: 3 }, 'revision 12 is not valid; write the digits'],
    [{ revision: '12', functions: -1 }, 'functions -1 is not valid; write a whole number'],
    [{ revision: '12', functions: 1, problems: [{ id: 'a' }] }, 'problems[0].message is missing'],
  ])('refuses %j', (value, message) => {
    expect(refusal(() => read(value))).toContain(`fezz/v1/status/a: ${message}`)
  })
})

describe('parseDrain', () => {
  const read = (value: string) => parseDrain('fezz/v1/drains/a', value)

  it('needs nothing but an object', () => {
    expect(read('{"since":"2026-11-21T12:00:00Z"}')).toEqual({ since: '2026-11-21T12:00:00Z' })
    expect(read('{}')).toEqual({ since: '' })
  })

  it('refuses the rest', () => {
    expect(refusal(() => read('{"since":5}'))).toContain('a: since 5 is not valid; write a time')
    expect(refusal(() => read('true'))).toContain('fezz/v1/drains/a: is a boolean; write {')
  })
})

describe('docs/schema', () => {
  const folder = resolve(import.meta.dirname, '../../docs/schema')
  const schema = (name: string) =>
    fromJSONSchema(JSON.parse(readFileSync(join(folder, name), 'utf8')))
  const accepts = (read: () => unknown) => {
    try {
      read()
      return true
    } catch {
      return false
    }
  }

  const all = {
    $schema: 'x',
    manifest: {
      id: 'hello',
      version: 'v1',
      description: '',
      method: ['GET', 'POST'],
      path: '/hello',
      host: 'a.com',
      priority: 1,
      routes: ['/a', { path: '/b', method: 'ANY', host: 'b.com', priority: 2 }],
      timeout: '1.5s',
      idleTtl: 60,
      preload: true,
      maxConcurrency: 1,
      env: { A_1: 'x' },
      executor: 'process',
      runtime: 'python',
      command: ['python3', 'app.py'],
      protocol: 'http',
      handlerPort: 8080,
      instances: 2,
      minInstances: 1,
      maxInstances: 3,
      instanceConcurrency: 10,
      rateLimit: 0.5,
      memory: '128MiB',
      cpus: 0.5,
      cpuTime: '1h',
      pids: 64,
      openFiles: 128,
      maxOutput: 1_000,
      user: 'nobody:nogroup',
      network: false,
      sandbox: 'namespaces',
      readOnly: true,
      capabilities: ['NET_BIND_SERVICE'],
      sleep: 'pause',
      healthCheckInterval: '5s',
      healthCheckPath: '/healthz?full',
    },
    code: { sha256: SHA256, exportName: 'default', url: 'https://example.com/b?c=d' },
    placement: { nodes: ['node-1'], labels: { disk: '' } },
    balance: 'spread',
  }
  const withManifest = (more: object) => ({ manifest: { ...all.manifest, ...more } })
  const withCode = (more: object) => ({ manifest: {}, code: { ...all.code, ...more } })

  it.each<[unknown]>([
    [all],
    [{ manifest: {} }],
    [{ manifest: { method: 'ANY' } }],
    [{}],
    [{ ...all, more: 1 }],
    ...[
      { id: 'a b' },
      { version: '' },
      { description: 1 },
      { method: 'FETCH' },
      { method: [] },
      { path: 'a' },
      { host: 1 },
      { priority: 0.5 },
      { routes: '/a' },
      { routes: [{ method: 'GET' }] },
      { routes: [{ path: '/b', id: 1 }] },
      { timeout: 0 },
      { timeout: 'soon' },
      { timeout: -1 },
      { timeout: 3_000_000 },
      { idleTtl: true },
      { preload: 'yes' },
      { maxConcurrency: 0 },
      { env: { 'A-B': 'x' } },
      { env: { A: 1 } },
      { timeoutMs: 1 },
      { executor: 'vm' },
      { runtime: 'Python' },
      { command: '' },
      { command: 'python3 app.py' },
      { command: [] },
      { command: [''] },
      { command: ['a', 1] },
      { protocol: 'grpc' },
      { handlerPort: 0 },
      { handlerPort: 65_536 },
      { instances: 0 },
      { minInstances: -1 },
      { maxInstances: 1_001 },
      { instanceConcurrency: 1.5 },
      { rateLimit: 0 },
      { memory: 1_000 },
      { memory: 'much' },
      { memory: 2_000_000 },
      { memory: '1.5 GB' },
      { cpus: -1 },
      { cpuTime: 'long' },
      { pids: 0 },
      { openFiles: 15 },
      { maxOutput: 0 },
      { maxOutput: true },
      { user: '-' },
      { user: 1_000 },
      { network: 'no' },
      { sandbox: 'full' },
      { readOnly: 1 },
      { capabilities: ['net_raw'] },
      { capabilities: 'ALL' },
      { sleep: 'deep' },
      { healthCheckInterval: -1 },
      { healthCheckPath: 'healthz' },
    ].map((more): [unknown] => [withManifest(more)]),
    ...[{ sha256: 'A' }, { exportName: '' }, { url: 'ftp://a/' }, { url: 1 }, { hash: 'a' }].map(
      (more): [unknown] => [withCode(more)],
    ),
    [{ manifest: { image: 'example.com/team/app:1.2' } }],
    [{ manifest: { image: 'two words' } }],
    [{ manifest: { image: '' } }],
    [{ manifest: {}, code: {} }],
    [{ manifest: {}, code: { sha256: SHA256 } }],
    [{ manifest: {}, placement: { nodes: [] } }],
    [{ manifest: {}, placement: { nodes: ['a/b'] } }],
    [{ manifest: {}, placement: { labels: { '': 'a' } } }],
    [{ manifest: {}, placement: { labels: { a: 1 } } }],
    [{ manifest: {}, placement: { node: 'a' } }],
    [{ manifest: {}, balance: 'none' }],
    [[]],
  ])('of a function agrees with what is read: %j', value => {
    const { success } = schema('function-entry.v1.json').safeParse(value)
    expect(success).toBe(accepts(() => parse(value)))
  })

  it.each<[unknown]>([
    [NODE],
    ...Object.keys(NODE).map((field): [unknown] => [{ ...NODE, [field]: undefined }]),
    ...Object.keys(NODE).map((field): [unknown] => [{ ...NODE, [field]: true }]),
    [{ ...NODE, more: 1 }],
    [{ ...NODE, port: 65_536 }],
    [{ ...NODE, capacity: 0 }],
    [{ ...NODE, address: '::1' }],
    [{ ...NODE, address: 'a.com' }],
    [{ ...NODE, labels: { '': 'a' } }],
    [{ ...NODE, startedAt: 'now' }],
  ])('of a node agrees with what is read: %j', value => {
    // Both see what JSON makes of it.
    const { success } = schema('node-entry.v1.json').safeParse(JSON.parse(JSON.stringify(value)))
    expect(success).toBe(accepts(() => parseNode(value)))
  })
})
