import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openStore } from '../../src/control-plane/open-store.ts'
import type { Store } from '../../src/control-plane/store.ts'
import { parseStoreUrl } from '../../src/control-plane/store-url.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import {
  CliHost,
  type CliOptions,
  type CliResult,
  plainEnvironment,
  runCli,
  serve,
  temporaryFolder,
} from '../helpers/cli.ts'
import { startEtcd } from '../services/etcd.ts'
import { sharedService } from '../services/shared.ts'

const CLI = join(import.meta.dirname, '../../dist/cli.js')

/** A store of its own, the files of one who works with it, and hosts that follow it. */
class Workplace implements AsyncDisposable {
  readonly url: string
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
  readonly #hosts: CliHost[] = []

  constructor(url: string, folder: string) {
    this.url = url
    this.folder = folder
    this.env = {
      FEZZ_STORE: url,
      FEZZ_ARTIFACTS: join(folder, 'artifacts'),
      FEZZ_CACHE_DIR: join(folder, 'cache'),
    }
  }

  file(name: string): string {
    return join(this.folder, name)
  }

  /** Writes a function that answers with `text`. @returns its file */
  async write(id: string, text: string, manifest: object = {}, extra = ''): Promise<string> {
    const file = this.file(`${id}.ts`)
    const declared = JSON.stringify({ id, version: text, path: `/${id}`, ...manifest })
    const answer = `fetch: () => new Response(${JSON.stringify(text)})`
    await writeFile(
      file,
      `export const manifest = ${declared}\nexport default { ${answer}, ${extra} }\n`,
    )
    return file
  }

  /** Runs `fezz ...args` on the store. */
  fezz(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
    return runCli(args, { ...options, env: { ...this.env, ...options.env } })
  }

  /** Output of `fezz ...args`, which must succeed and complain of nothing. */
  async output(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.fezz(args)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    return stdout
  }

  /** Starts a host that is ready and known. */
  async host(id: string, env: Readonly<Record<string, string>> = {}): Promise<CliHost> {
    const host = await serve([], {
      env: {
        ...this.env,
        FEZZ_NODE_ID: id,
        FEZZ_CACHE_DIR: this.file(`cache-${id}`),
        FEZZ_STATE_DIR: this.file(`state-${id}`),
        FEZZ_DRAIN_DELAY: '10ms',
        ...env,
      },
    })
    this.#hosts.push(host)
    await host.line(({ msg }) => msg === 'ready')
    await host.line(({ msg }) => msg === 'registered as a node')
    return host
  }

  /** The store itself, for what somebody else does to it. */
  store(): Promise<Store> {
    return openStore(parseStoreUrl(this.url), { log: createLogger({ level: 'silent' }) })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#hosts.map(host => host[Symbol.asyncDispose]()))
  }
}

async function workplace(kind: 'file' | 'etcd' = 'file'): Promise<Workplace> {
  const folder = await temporaryFolder()
  if (kind === 'file') return new Workplace(`file://${folder}/store`, folder)
  const { port } = new URL(await sharedService('etcd'))
  return new Workplace(`etcd://127.0.0.1:${port}/commands-${randomUUID()}`, folder)
}

/** A mistake is one line on standard error, and nothing else. */
function expectRefusal({ code, stdout, stderr }: CliResult, line: RegExp | string): void {
  if (typeof line === 'string') expect(stderr).toBe(`fezz: ${line}\n`)
  else expect(stderr).toMatch(line)
  expect(stderr).toMatch(/^fezz: .*\n$/)
  expect(stdout).toBe('')
  expect(code).toBe(1)
}

describe.each(['file', 'etcd'] as const)('on a store in %s', kind => {
  it('functions go from a folder to the hosts, change, and go', async () => {
    await using place = await workplace(kind)
    const folder = place.folder
    await using host = await place.host('node-1')
    await mkdir(place.file('functions'))
    await place.write('functions/one', 'v1', { id: 'one', path: '/one' })
    await place.write('functions/two', 'v1', { id: 'two', path: '/two', env: { KEY: 'geheim-1' } })
    const functions = place.file('functions')

    expect(await place.output('apply', functions, '--dry-run')).toBe(
      '+ one v1  added\n+ two v1  added\n',
    )
    expect(await place.output('get', 'functions')).toBe('there are no functions\n')
    expect(await readdir(folder)).not.toContain('artifacts')

    expect(await place.output('apply', functions)).toBe(
      '+ one v1  added\n+ two v1  added\nin force on node node-1\n',
    )
    expect(await host.get('/one')).toBe('v1')
    expect(await place.output('apply', functions)).toBe(
      '= one v1  unchanged\n= two v1  unchanged\nin force on node node-1\n',
    )

    await place.write('functions/two', 'v2', {
      id: 'two',
      path: '/two',
      timeout: '5s',
      env: { KEY: 'geheim-2' },
    })
    const said = await place.output('apply', functions)
    expect(said).toMatch(/^= one v1 {2}unchanged\n~ two v2 {2}version: "v1" -> "v2", /)
    expect(said).toMatch(/env, code: [\da-f]{12} -> [\da-f]{12}, timeout: none -> "5s"\n/)
    expect(said).not.toContain('geheim')
    expect(await host.get('/two')).toBe('v2')

    expect(await place.output('get', 'functions')).toMatch(
      new RegExp(
        '^FUNCTION {2}VERSION {2}ARTIFACT {6}PLACEMENT {3}BALANCE\n' +
          'one {7}v1 {7}[\\da-f]{12} {2}everywhere {2}affinity\n' +
          'two {7}v2 {7}[\\da-f]{12} {2}everywhere {2}affinity\n$',
      ),
    )
    const listed = await place.output('get', 'functions', '--json')
    expect(listed).not.toContain('geheim')
    expect(JSON.parse(listed)).toMatchObject([
      { manifest: { id: 'one' } },
      { manifest: { id: 'two', env: { KEY: '[redacted]' } }, code: { exportName: 'default' } },
    ])
    expect(await place.output('get', 'routes')).toBe(
      'METHODS  PATH  PRIORITY  FUNCTION\nGET      /one  0         one\nGET      /two  0         two\n',
    )
    expect(await place.output('get', 'nodes')).toMatch(
      new RegExp(
        '^NODE {4}ADDRESS +STATE {2}ZONE {2}FUNCTIONS {2}REVISION +PROBLEMS\n' +
          `node-1 {2}127\\.0\\.0\\.1:${host.port} +ready {2}- {5}2 {10}\\d+\n$`,
      ),
    )

    expect(await place.output('delete', 'one')).toBe('- one\n')
    await expect.poll(async () => (await host.fetch('/one')).status).toBe(404)
    const { code, stdout, stderr } = await place.fezz(['delete', 'two', 'nobody'])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '- two\n' })
    expect(stderr).toBe('fezz: there is no function nobody; fezz get functions lists them\n')
    expect(await place.output('get', 'routes')).toBe('there are no routes\n')
  })

  it('an entry as JSON is applied as it stands', async () => {
    await using place = await workplace(kind)
    const entry = {
      manifest: { id: 'declared', version: 'v3', method: 'GET', path: '/declared', priority: 7 },
      placement: { nodes: ['node-9'] },
      balance: 'spread',
    }
    const file = place.file('declared.json')
    await writeFile(file, JSON.stringify(entry))
    expect(await place.output('apply', file)).toBe(
      '+ declared v3  added\nregistered; no host is there yet\n',
    )
    expect(await place.output('get', 'functions')).toMatch(
      /\ndeclared {2}v3 {7}none {6}node-9 {5}spread\n$/,
    )
    expect(JSON.parse(await place.output('get', 'routes', '--json'))).toEqual([
      { methods: ['GET'], path: '/declared', priority: 7, function: 'declared' },
    ])
  })

  it('a node is drained and comes back', async () => {
    await using place = await workplace(kind)
    await using host = await place.host('node-1')
    const health = async () => (await host.fetch('/_health')).text()
    const stateOf = async () => JSON.parse(await place.output('get', 'nodes', '--json'))[0].state

    expect(await place.output('drain', 'node-1')).toBe('node node-1 is draining\n')
    expect(await stateOf()).toBe('draining')
    expect(await health()).toBe('draining')
    const file = await place.write('later', 'v1')
    expect(await place.output('apply', file)).toMatch(/registered; no host is there yet\n$/)
    expect(await place.output('drain', 'node-1', '--undo')).toBe('node node-1 is ready\n')
    expect(await stateOf()).toBe('ready')
    expect(await health()).toBe('OK')

    expectRefusal(
      await place.fezz(['drain', 'node-2']),
      'there is no node "node-2"; fezz get nodes lists them',
    )
    expect(await place.output('drain', 'node-2', '--undo')).toBe(
      'node node-2 is not there; it will not be drained when it comes\n',
    )
  })

  it('a version that does not load is an error in the words of the node, and the old one serves', async () => {
    await using place = await workplace(kind)
    await using host = await place.host('node-1')
    const file = await place.write('fragile', 'v1')
    await place.output('apply', file)
    expect(await host.get('/fragile')).toBe('v1')
    await place.write('fragile', 'v2', {}, 'onLoad() { throw new Error("no database") }')
    const { code, stdout, stderr } = await place.fezz(['apply', file])
    expect(code).toBe(1)
    expect(stdout).toMatch(/^~ fragile v2 .*\nin force on node node-1\n$/)
    expect(stderr).toMatch(/^fezz: node node-1 could not put "fragile" in force: .*\n$/)
    expect(await host.get('/fragile')).toBe('v1')
    expect(await place.output('get', 'nodes')).toContain('fragile: ')

    const json = await place.fezz(['apply', file, '--json'])
    expect(json.code).toBe(1)
    expect(JSON.parse(json.stdout)).toMatchObject({
      functions: [{ id: 'fragile', change: 'unchanged' }],
      nodes: ['node-1'],
      problems: [{ node: 'node-1', id: 'fragile' }],
    })
  })
})

describe('waiting', () => {
  it('takes as long as the nodes that are asked for, and says which lag', async () => {
    await using place = await workplace()
    const [, paused] = await Promise.all([place.host('node-1'), place.host('node-2')])
    const file = await place.write('awaited', 'v1')
    expect(await place.output('apply', file, '--wait', '2')).toMatch(
      /in force on nodes node-1, node-2\n$/,
    )
    paused.child.kill('SIGSTOP')
    try {
      await place.write('awaited', 'v2')
      expect(await place.output('apply', file, '--wait', '1')).toMatch(/in force on node node-1\n$/)
      expect(await place.output('apply', file, '--wait', '0')).toBe('= awaited v2  unchanged\n')
      const late = await place.fezz(['apply', file, '--timeout', '500ms'])
      expect(late.code).toBe(1)
      expect(late.stderr).toBe(
        'fezz: registered, but not in force on all nodes within 0.5 s: waiting for node-2; fezz get nodes tells more\n',
      )
    } finally {
      paused.child.kill('SIGCONT')
    }
    expect(await place.output('apply', file)).toMatch(/in force on nodes node-1, node-2\n$/)
  })

  it('names how many there are when more are asked for', async () => {
    await using place = await workplace()
    const file = await place.write('awaited', 'v1')
    const args = ['apply', file, '--wait', '3', '--timeout', '300ms', '--json']
    expectRefusal(
      await place.fezz(args),
      'registered, but not in force on 3 nodes within 0.3 s: there are no more than 0; fezz get nodes tells more',
    )
  })
})

describe('applying', () => {
  it('places what it builds, and says so in JSON', async () => {
    await using place = await workplace()
    const file = await place.write('placed', 'v1')
    const args = ['--on-node', 'a,b', '--on-labels', 'disk=ssd', '--on-labels', 'gpu=yes']
    const answer = JSON.parse(await place.output('apply', ...args, '--spread', '--json', file))
    expect(answer).toEqual({
      revision: expect.stringMatching(/^\d+$/),
      functions: [{ id: 'placed', change: 'added', fields: [] }],
      nodes: [],
      problems: [],
    })
    expect(await place.output('get', 'functions')).toContain(' a,b,disk=ssd,gpu=yes  spread\n')
  })

  it('bundles what a file takes from the node_modules of its project', async () => {
    await using place = await workplace()
    await using host = await place.host('node-1')
    const library = place.file('project/node_modules/greeting')
    await mkdir(library, { recursive: true })
    await writeFile(join(library, 'package.json'), '{"name":"greeting","main":"index.js"}')
    await writeFile(join(library, 'index.js'), 'exports.greeting = "from a library"\n')
    const file = place.file('project/greeter.ts')
    await writeFile(
      file,
      `import { greeting } from 'greeting'\nexport default () => new Response(greeting)\n`,
    )
    await place.output('apply', file)
    expect(await host.get('/greeter')).toBe('from a library')
  })

  it('does not take down what somebody else has made of the entry meanwhile', async () => {
    await using place = await workplace()
    const file = await place.write('contested', 'v1')
    await place.output('apply', file)
    await place.write('contested', 'v2')
    await using store = await place.store()
    const key = 'fezz/v1/functions/contested'
    // Between the listing and the writing there is the artifact store: a slow one gives time.
    let conflict: CliResult | undefined
    for (let attempt = 0; conflict === undefined && attempt < 20; attempt++) {
      const applying = place.fezz(['apply', file])
      let isOver = false
      void applying.then(() => {
        isOver = true
      })
      for (let n = 0; !isOver; n++) {
        const manifest = { id: 'contested', path: '/contested', description: `${attempt} ${n}` }
        await store.put(key, JSON.stringify({ manifest }))
      }
      const result = await applying
      if (result.code === 1) conflict = result
    }
    expect(conflict?.stderr).toBe(
      'fezz: somebody else has changed function "contested" meanwhile; call fezz apply again to see what is different now\n',
    )
  })

  it('replaces an entry that is wrong, which others are told of until then', async () => {
    await using place = await workplace()
    await using store = await place.store()
    await store.put('fezz/v1/functions/broken', '{"manifest": {"path": 5, "env": {"K": "geheim"}}}')
    await store.put('fezz/v1/nodes/odd', '{"port": "geheim"')
    const functions = await place.output('get', 'functions')
    expect(functions).toMatch(
      /^there are no functions\n\nWRONG: fezz\/v1\/functions\/broken, .*\n$/,
    )
    expect(functions).not.toContain('geheim')
    expect(await place.output('get', 'nodes')).toMatch(
      /^there are no nodes\n\nWRONG: fezz\/v1\/nodes\/odd: is not JSON.*\n$/,
    )
    expect(JSON.parse(await place.output('get', 'functions', '--json'))).toEqual([
      { id: 'broken', error: expect.stringContaining('path') },
    ])
    const file = await place.write('broken', 'v1')
    expect(await place.output('apply', file)).toMatch(/^~ broken v1 {2}replaces a wrong entry\n/)
    expect(await place.output('get', 'functions')).not.toContain('WRONG')
  })

  it('refuses what it cannot build or read, and changes nothing', async () => {
    await using place = await workplace()
    const good = await place.write('good', 'v1')
    const bad = place.file('bad.ts')
    await writeFile(bad, 'export default () => {\n  return = 1\n}\n')
    const built = await place.fezz(['apply', good, bad])
    expect(built.stderr.split('\n')[0]).toMatch(`fezz: ${bad}:2:10: Unexpected "="`)
    expect(built.code).toBe(1)

    const json = place.file('entry.json')
    await writeFile(json, '{"manifest": {"id": "x", "path": "/x", "env": {"K": "geheim"}},}')
    expectRefusal(await place.fezz(['apply', json]), /^fezz: .*entry\.json is not JSON: look at /)
    await writeFile(json, '{"manifest": {"id": "x", "pat": "/x"}}')
    expectRefusal(await place.fezz(['apply', json]), /^fezz: .*entry\.json.*"?pat"?/)
    await writeFile(json, '{"manifest": {"id": "good", "path": "/x"}}')
    expectRefusal(
      await place.fezz(['apply', good, json]),
      'two of the files are function "good"; apply one of them',
    )
    expectRefusal(
      await place.fezz(['apply', place.file('nowhere.json')]),
      `${place.file('nowhere.json')} cannot be read: ENOENT`,
    )
    expect(await place.output('get', 'functions')).toBe('there are no functions\n')
  })

  it('says when the code cannot be put into the artifact store', async () => {
    await using place = await workplace()
    const file = await place.write('homeless', 'v1')
    const apply = (artifacts: string) =>
      place.fezz(['apply', file], { env: { FEZZ_ARTIFACTS: artifacts } })
    await writeFile(place.file('taken'), '')
    expectRefusal(
      await apply(place.file('taken')),
      /^fezz: the code of "homeless" cannot be put into the artifact store: .*taken.*; look at --artifacts\n/,
    )
    if (process.getuid?.() !== 0) {
      await mkdir(place.file('closed'))
      await chmod(place.file('closed'), 0o500)
      expectRefusal(await apply(place.file('closed')), /EACCES; look at --artifacts\n$/)
    }
    const port = await closedPort()
    expectRefusal(
      await apply(`http://user:geheim@127.0.0.1:${port}/a?signature=geheim`),
      new RegExp(`http://127\\.0\\.0\\.1:${port}/a/[\\da-f]{64}/bundle\\.cjs cannot be reached`),
    )
    expectRefusal(
      await apply('ftp://user:geheim@host/a'),
      `the artifact store's address "ftp:..." cannot be used; give a folder such as /var/artifacts, or an http(s) address`,
    )
    expect(await place.output('get', 'functions')).toBe('there are no functions\n')
    // With a store in a folder there is a place for it anyway.
    expect(await apply('')).toMatchObject({ code: 0 })
    expect(await readdir(place.file('store'))).toContain('.artifacts')
  })

  it('asks for an artifact store where there is none by default', async () => {
    await using place = await workplace('etcd')
    const file = await place.write('homeless', 'v1')
    expectRefusal(
      await place.fezz(['apply', file], { env: { FEZZ_ARTIFACTS: '' } }),
      'there is no artifact store for the code; write --artifacts /folder, or --artifacts https://…, which every host can read',
    )
  })
})

describe('a mistake is one line that says what to do', () => {
  it.each([
    {
      args: ['get', 'nodes'],
      line: 'there is no store; write --store etcd://127.0.0.1:2379, or set FEZZ_STORE',
    },
    {
      args: ['control-plane'],
      line: 'there is no store to tell Envoy of; write --store etcd://127.0.0.1:2379, or set FEZZ_STORE',
    },
    { args: ['get'], line: 'missing argument kind' },
    {
      args: ['get', 'function'],
      line: 'kind "function". Allowed choices are functions, nodes, routes.',
    },
    { args: ['apply'], line: 'missing argument path' },
    {
      args: ['apply', 'x.ts', '--wait', 'some'],
      line: 'flag --wait <nodes> "some". Write a number of nodes, or all.',
    },
    {
      args: ['drain', 'x', '--timeout', 'soon'],
      line: 'flag --timeout <duration> "soon". It is not a duration; write a number of seconds, or text such as "500ms", "30s", "5m", "1h"',
    },
    {
      args: ['apply', 'x.ts', '--on-labels', 'ssd'],
      line: 'flag --on-labels <name=value,...> "ssd". Write name=value,…',
    },
    {
      args: ['get', 'nodes', '--stor', 'file:///x'],
      line: 'unknown flag --stor; did you mean --store?',
    },
    {
      args: ['get', 'nodes', '--store', 'redis://user:geheim@host'],
      line: /^fezz: setting "store" from --store: the address of the store names no kind of store; /,
    },
    {
      args: ['get', 'nodes', '--store', 'etcd://host', '--store-password', 'geheim'],
      line: 'store etcd://host:2379 is given a password without a user; give both',
    },
    {
      args: ['get', 'nodes', '--store', 'etcds://host', '--store-ca', '/nowhere/ca.pem'],
      line: 'setting "storeCa": /nowhere/ca.pem cannot be read (ENOENT); name a file in PEM format',
    },
    {
      args: ['serve', 'x.ts', '--store', 'file:///x'],
      line: 'with a store there are no files to serve or to watch; put them into the store by fezz apply',
    },
    {
      args: ['serve', '--watch', '--store', 'file:///x'],
      line: 'with a store there are no files to serve or to watch; put them into the store by fezz apply',
    },
  ])('fezz $args', async ({ args, line }) => {
    const result = await runCli(args)
    expectRefusal(result, line)
    expect(result.stderr).not.toContain('geheim')
  })

  it.each(['etcd', 'consul'])('%s is down', async kind => {
    const port = await closedPort()
    const user = kind === 'etcd' ? 'somebody:geheim@' : ''
    const args = ['get', 'nodes', '--store', `${kind}://${user}127.0.0.1:${port}`]
    const result = await runCli(args, { env: { FEZZ_STORE_TIMEOUT: '500ms' } })
    expectRefusal(result, new RegExp(`^fezz: ${kind}.*127\\.0\\.0\\.1:${port} `, 'i'))
    expect(result.stderr).not.toContain('geheim')
  })

  it('a password is wrong', async () => {
    await using etcd = await startEtcd({ rootPassword: 'right' })
    const store = (credentials: string) => `etcd://${credentials}127.0.0.1:${etcd.port}`
    const wrong = await runCli(['get', 'nodes', '--store', store('root:geheim@')])
    expectRefusal(wrong, /refuses user "root".*check user, password and roles\n$/)
    expect(wrong.stderr).not.toContain('geheim')
    expectRefusal(await runCli(['get', 'nodes', '--store', store('')]), /wants a user/)
    const env = { FEZZ_STORE: store(''), FEZZ_STORE_USER: 'root', FEZZ_STORE_PASSWORD: 'right' }
    expect(await runCli(['get', 'nodes'], { env })).toMatchObject({ code: 0, stderr: '' })
  })
})

describe('fezz control-plane', () => {
  it('answers on its ports, is no node, and ends by a signal', async () => {
    await using place = await workplace()
    await using host = await controlPlane(place.env)
    const { port } = await host.line(({ msg }) => msg.startsWith('xDS on'))
    // It is ready as soon as the store has answered.
    await expect.poll(async () => (await host.fetch('/_health')).text()).toBe('OK')
    expect(await host.get('/_metrics')).toContain('\nfezz_xds_clients 0\n')
    await canConnect(port as number)
    expect(await place.output('get', 'nodes')).toBe('there are no nodes\n')
    expect(await host.stop()).toEqual({ code: 0, signal: null })
  })

  it('ends by a signal also while the store is down', async () => {
    const store = `etcd://127.0.0.1:${await closedPort()}`
    await using host = await controlPlane({ FEZZ_STORE: store })
    const { port } = await host.line(({ msg }) => msg.startsWith('xDS on'))
    await canConnect(port as number)
    await host.line(({ msg }) => msg.startsWith('the store does not answer'))
    expect(await host.stop('SIGINT')).toEqual({ code: 0, signal: null })
    expect(host.lines.filter(({ level }) => level === 'error')).toEqual([])
  })

  it('says when its port for Envoy is taken', async () => {
    await using place = await workplace()
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    try {
      const { port } = other.address() as { port: number }
      const args = ['control-plane', '--xds-port', String(port)]
      const { code, stderr } = await place.fezz(args)
      expect(stderr).toBe(
        `fezz: cannot listen on 127.0.0.1:${port} for Envoy; choose another port\n`,
      )
      expect(code).toBe(1)
    } finally {
      other.close()
    }
  })
})

it('an output that nobody reads to its end is no error', async () => {
  await using place = await workplace()
  const entries = Array.from({ length: 300 }, (_, n) => ({
    manifest: { id: `many-${n}`, path: `/many/${n}`, description: 'x'.repeat(1_000) },
  }))
  await using store = await place.store()
  for (const entry of entries) {
    await store.put(`fezz/v1/functions/${entry.manifest.id}`, JSON.stringify(entry))
  }
  const command = `"${process.execPath}" "${CLI}"`
  const { code, stdout, stderr } = await runCli(
    ['-c', `${command} get functions --json | head -c 10`],
    { env: place.env, command: ['/bin/sh'] },
  )
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '[{"manifes', stderr: '' })
})

describe('help', () => {
  it.each(['apply', 'get', 'delete', 'drain'])('of %s begins with what is its own', async name => {
    const { code, stdout } = await runCli([name, '--help'])
    expect(code).toBe(0)
    expect(stdout).toContain('--store <url>')
    expect(stdout).not.toMatch(/--log-level|--idle-ttl|--xds-port|--port/)
    expect(stdout.split('\n').length).toBeLessThan(50)
  })

  it('of control-plane has its own default port', async () => {
    const { stdout } = await runCli(['control-plane', '--help'])
    expect(stdout.replace(/\s+/g, ' ')).toContain('[FEZZ_XDS_PORT] (default: 18000)')
    expect(stdout).not.toMatch(/--idle-ttl|--node-id|--cache-dir/)
  })
})

/** Starts `fezz control-plane`; resolves when its own port is open. */
async function controlPlane(env: Readonly<Record<string, string>>): Promise<ControlPlane> {
  const child = spawn(process.execPath, [CLI, 'control-plane'], {
    env: {
      ...plainEnvironment(),
      FEZZ_HOST: '127.0.0.1',
      FEZZ_PORT: '0',
      FEZZ_XDS_PORT: '0',
      FEZZ_DRAIN_DELAY: '10ms',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const host = new ControlPlane(child)
  await host.line(({ msg }) => msg.startsWith('listening'))
  return host
}

class ControlPlane extends CliHost {
  override async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL')
  }
}

async function canConnect(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  socket.destroy()
}

/** A port of this machine on which nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}
