import { createHash } from 'node:crypto'
import { cp, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  FunctionEntry,
  type FunctionEntryOptions,
} from '../../../src/control-plane/function-entry.ts'
import { FunctionStore } from '../../../src/control-plane/function-store.ts'
import { NODES } from '../../../src/control-plane/keys.ts'
import { openStore } from '../../../src/control-plane/open-store.ts'
import type { Store } from '../../../src/control-plane/store.ts'
import { parseStoreUrl } from '../../../src/control-plane/store-url.ts'
import type { ManifestInput } from '../../../src/function/manifest.ts'
import { FolderArtifactStore } from '../../../src/loader/artifact-stores/folder.ts'
import { createLogger } from '../../../src/telemetry/logger.ts'
import { type Envoy, startEnvoy } from '../../services/envoy.ts'
import { type Etcd, startEtcd } from '../../services/etcd.ts'
import { freePorts } from '../../services/ports.ts'
import { run } from '../../services/run.ts'
import { dynamicConfig, type Kind, staticConfig } from './envoy-config.ts'
import { environmentOfOthers, HostProcess } from './host-process.ts'

const ROOT = resolve(import.meta.dirname, '../../..')

export interface EdgeOptions {
  /** Default 3. */
  readonly hosts?: number
  /** Settings of all hosts. */
  readonly env?: Readonly<Record<string, string>>
  /** The built Fezz. Default: that of this checkout. */
  readonly dist?: string
}

/** etcd, hosts and an Envoy in front of them, as they are shipped: everything a process of its own. */
export class Edge implements AsyncDisposable {
  readonly kind: Kind
  readonly etcd: Etcd
  readonly hosts: readonly HostProcess[]
  /** Where requests go: `http://127.0.0.1:PORT`. */
  readonly port: number
  readonly store: Store
  readonly functions: FunctionStore
  /** Each POST that a function has got is a line of this file. */
  readonly postsFile: string
  readonly #folder: string
  readonly #config: string
  #envoy: Envoy | undefined

  private constructor(
    parts: Pick<Edge, 'kind' | 'etcd' | 'hosts' | 'port' | 'store'>,
    folder: string,
    config: string,
  ) {
    const { kind, etcd, hosts, port, store } = parts
    this.kind = kind
    this.etcd = etcd
    this.hosts = hosts
    this.port = port
    this.store = store
    this.functions = new FunctionStore(store)
    this.#folder = folder
    this.#config = config
    this.postsFile = join(folder, 'posts')
  }

  /** Starts etcd and Envoy, and opens the store; hosts are not started yet. */
  static async open(kind: Kind, options: EdgeOptions = {}): Promise<Edge> {
    const { hosts: count = 3, env = {}, dist = join(ROOT, 'dist') } = options
    const folder = await mkdtemp(join(tmpdir(), 'fezz-edge-'))
    const cli = await ownCopy(dist, folder)
    const etcd = await startEtcd()
    const [port = 0, ...ports] = await freePorts(1 + count * 2)
    const xdsPorts = ports.splice(count)
    const address = `etcd://127.0.0.1:${etcd.port}`
    const hosts = ports.map((own, index) => {
      const id = `host-${index + 1}`
      // Two of them serve Envoy.
      const xds = index < 2 && kind === 'dynamic' ? { FEZZ_XDS_PORT: String(xdsPorts[index]) } : {}
      return new HostProcess(id, own, {
        cli,
        env: {
          FEZZ_STORE: address,
          FEZZ_ARTIFACTS: join(folder, 'artifacts'),
          FEZZ_CACHE_DIR: join(folder, id, 'cache'),
          FEZZ_STATE_DIR: join(folder, id, 'state'),
          FEZZ_ENVOY_HOST: '127.0.0.1',
          FEZZ_ENVOY_PORT: String(port),
          FEZZ_TRUSTED_PROXIES: '127.0.0.1',
          FEZZ_ENV_NODE: id,
          FEZZ_ENV_POSTS: join(folder, 'posts'),
          ...xds,
          ...env,
        },
      })
    })
    const config =
      kind === 'static'
        ? await staticConfig(port, ports)
        : await dynamicConfig(xdsPorts.slice(0, Math.min(2, count)))
    const store = await openStore(parseStoreUrl(address), {
      log: createLogger({ level: 'silent' }),
    })
    return new Edge({ kind, etcd, hosts, port, store }, folder, config)
  }

  /** Starts the hosts, then Envoy; resolves when Envoy uses them. */
  async start(hosts: readonly HostProcess[] = this.hosts): Promise<this> {
    await Promise.all(hosts.map(host => host.start()))
    const args = ['--file-flush-interval-msec', '100']
    this.#envoy = await startEnvoy({ config: this.#config, logLevel: 'warning', args })
    await this.serves('/')
    return this
  }

  get envoy(): Envoy {
    if (this.#envoy === undefined) throw new Error('Envoy is not started')
    return this.#envoy
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** Registers a function that answers with its id and version; a POST to it is written down. */
  async put(manifest: ManifestInput, options: FunctionEntryOptions = {}): Promise<string> {
    const sha256 = await this.#upload(FUNCTION)
    const entry = new FunctionEntry(manifest, options).artifact({ sha256 })
    return this.functions.register(entry)
  }

  /** Waits until the hosts that run serve all up to this revision. */
  async applied(revision: string, hosts = this.hosts): Promise<void> {
    await until(async () => {
      const all = await Promise.all(hosts.map(host => host.status()))
      return all.every(({ controlPlane }) => Number(controlPlane.revision) >= Number(revision))
    }, `revision ${revision} everywhere`)
  }

  /** What the store says of a host; `undefined` when it does not know it. */
  async stateOf(host: HostProcess): Promise<string | undefined> {
    const found = (await this.store.list(NODES)).entries.get(NODES + host.id)
    return found && JSON.parse(found.value).state
  }

  /** Waits until a host answers this path through Envoy, whatever it says of it. */
  async serves(path: string): Promise<void> {
    await until(async () => {
      const answer = await fetch(this.url + path)
      await answer.arrayBuffer()
      return answer.status < 500
    }, `an answer to ${path}`)
  }

  /** Runs `fezz ...args` on the store. */
  fezz(...args: readonly string[]): Promise<string> {
    const env = {
      ...environmentOfOthers(),
      FEZZ_STORE: `etcd://127.0.0.1:${this.etcd.port}`,
      FEZZ_ARTIFACTS: join(this.#folder, 'artifacts'),
      FEZZ_CACHE_DIR: join(this.#folder, 'cli-cache'),
    }
    return run(process.execPath, [join(this.#folder, 'fezz/dist/cli.js'), ...args], { env })
  }

  /** What POSTs functions have got, each with the body that it had. */
  async posts(): Promise<readonly string[]> {
    const text = await readFile(this.postsFile, 'utf8').catch(() => '')
    return text.split('\n').filter(line => line !== '')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.hosts.map(host => host[Symbol.asyncDispose]()))
    await this.#envoy?.[Symbol.asyncDispose]()
    await this.store.close()
    await this.etcd[Symbol.asyncDispose]()
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #upload(bundle: string): Promise<string> {
    const bytes = Buffer.from(bundle)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const artifacts = new FolderArtifactStore(join(this.#folder, 'artifacts'))
    if (!(await artifacts.has(sha256))) await artifacts.write({ sha256, bundle: bytes })
    return sha256
  }
}

/** Answers after `?ms=` and loads for `LOAD_MS`; the first answer of an instance says so. */
const FUNCTION = `const { appendFileSync } = require('node:fs')
let isCold = true
exports.default = class {
  onLoad({ env }) {
    if (env.LOAD_MS) return new Promise(resolve => setTimeout(resolve, Number(env.LOAD_MS)))
  }
  async fetch(request, { env, functionId, version }) {
    const headers = { 'x-node': env.NODE, 'x-cold': isCold ? '1' : '0' }
    isCold = false
    if (request.method === 'POST') appendFileSync(env.POSTS, (await request.text()) + '\\n')
    const ms = /[?]ms=(\\d+)/.exec(request.url)
    if (ms !== null) await new Promise(resolve => setTimeout(resolve, Number(ms[1])))
    return new Response(functionId + ' ' + version, { headers })
  }
}
`

/** The same files from beginning to end, whatever is built meanwhile. */
async function ownCopy(dist: string, folder: string): Promise<string> {
  const own = join(folder, 'fezz')
  await cp(dist, join(own, 'dist'), { recursive: true })
  await cp(join(ROOT, 'package.json'), join(own, 'package.json'))
  await symlink(join(ROOT, 'node_modules'), join(own, 'node_modules'))
  return join(own, 'dist/cli.js')
}

/** Waits for what `isSo` says; a rejection counts as no. */
export async function until(
  isSo: () => Promise<boolean>,
  what: string,
  withinMs = 15_000,
): Promise<number> {
  const startedAt = performance.now()
  while (!(await isSo().catch(() => false))) {
    if (performance.now() - startedAt > withinMs) throw new Error(`waited in vain for ${what}`)
    await sleep(10)
  }
  return performance.now() - startedAt
}
