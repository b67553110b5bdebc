import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, vi } from 'vitest'
import { FunctionEntry } from '../../../src/control-plane/function-entry.ts'
import { FunctionStore } from '../../../src/control-plane/function-store.ts'
import { FUNCTIONS } from '../../../src/control-plane/keys.ts'
import { openStore } from '../../../src/control-plane/open-store.ts'
import type { Store } from '../../../src/control-plane/store.ts'
import { parseStoreUrl } from '../../../src/control-plane/store-url.ts'
import type { ManifestInput } from '../../../src/function/manifest.ts'
import type { Placement } from '../../../src/function/placement.ts'
import { sha256Of } from '../../../src/loader/inputs.ts'
import { createLogger } from '../../../src/telemetry/logger.ts'
import { type CliHost, runCli, serve, temporaryFolder } from '../../helpers/cli.ts'
import { startTcpProxy, type TcpProxy } from '../../helpers/tcp-proxy.ts'
import { type Consul, startConsul } from '../../services/consul.ts'
import { type Etcd, startEtcd } from '../../services/etcd.ts'
import { freePorts } from '../../services/ports.ts'
import { type Compared, compare, type HostStatus, statusOf } from './compare.ts'
import { passing, Requester, rolling, steady } from './requester.ts'

export type StoreKind = 'etcd' | 'consul'

export interface ClusterOptions {
  /** Names of the hosts; the second half of each after a `-` is its label `part`. */
  readonly hosts?: readonly string[]
  readonly nodeTtl?: string
  /** Functions that never change, and are asked for all the time. Default 3. */
  readonly steady?: number
  /** Functions whose versions may change, and are asked for all the time. Default 2. */
  readonly rolling?: number
  /** Functions that come and go, and are asked for all the time. Default none. */
  readonly passing?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** A server of its own, hosts that reach it through a proxy, and somebody who asks them all the time. */
export class TestCluster implements AsyncDisposable {
  readonly kind: StoreKind
  readonly server: Etcd | Consul
  readonly proxy: TcpProxy
  /** Goes straight to the server. */
  readonly store: Store
  readonly functions: FunctionStore
  readonly requester: Requester
  readonly hosts = new Map<string, ClusterHost>()
  /** Every good version that an entry has ever had, by id. */
  readonly goodVersions = new Map<string, FunctionEntry[]>()
  readonly artifacts: string
  readonly #options: ClusterOptions
  readonly #own: OwnCalls
  #before = { queries: 0, dials: 0 }

  constructor(
    kind: StoreKind,
    server: Etcd | Consul,
    proxy: TcpProxy,
    store: Store,
    artifacts: string,
    options: ClusterOptions,
  ) {
    this.kind = kind
    this.server = server
    this.proxy = proxy
    this.#own = countCalls(store)
    this.store = this.#own.store
    this.functions = new FunctionStore(this.store)
    this.artifacts = artifacts
    this.#options = options
    this.requester = new Requester(
      new Map([
        ...this.steadyIds.map(id => [`/${id}`, steady(`${id} v1`)] as const),
        ...this.rollingIds.map(id => [`/${id}`, rolling(id)] as const),
        ...(options.passing ?? []).map(id => [`/${id}`, passing(id)] as const),
      ]),
    )
  }

  /** Functions that stay at v1. */
  get steadyIds(): readonly string[] {
    return Array.from({ length: this.#options.steady ?? 3 }, (_, n) => `steady-${n}`)
  }

  get rollingIds(): readonly string[] {
    return Array.from({ length: this.#options.rolling ?? 2 }, (_, n) => `rolling-${n}`)
  }

  /** What the hosts are given as `--store`. */
  get address(): string {
    return `${this.kind}://127.0.0.1:${this.proxy.port}`
  }

  /** What leads straight to the server. */
  get directAddress(): string {
    return `${this.kind}://127.0.0.1:${this.server.port}`
  }

  host(id: string): ClusterHost {
    const host = this.hosts.get(id)
    if (host === undefined) throw new Error(`there is no host ${id}`)
    return host
  }

  /** Registers a function that answers with its id and version. */
  async put(id: string, version: string, placement: Placement = {}): Promise<void> {
    await this.functions.register(await this.entry(id, version, placement))
  }

  /** Writes its artifact too. */
  async entry(id: string, version: string, placement: Placement = {}): Promise<FunctionEntry> {
    const sha256 = await this.writeArtifact(`${id} ${version}`)
    const manifest: ManifestInput = { id, version, path: `/${id}` }
    const entry = new FunctionEntry(manifest, { placement }).artifact({ sha256 })
    const known = this.goodVersions.get(id) ?? []
    this.goodVersions.set(id, [...known, entry])
    return entry
  }

  /** @returns the sha256 of the code of a function that answers with `text` */
  async writeArtifact(text: string): Promise<string> {
    const { bundle, sha256 } = bundleOf(text)
    const folder = join(this.artifacts, sha256)
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, 'bundle.cjs'), bundle)
    return sha256
  }

  /** Writes what no `fezz` would. */
  async putRaw(id: string, value: string): Promise<void> {
    await this.store.put(FUNCTIONS + id, value)
  }

  /** Runs `fezz ...args` on the server. */
  fezz(...args: readonly string[]): ReturnType<typeof runCli> {
    const env = { FEZZ_STORE: this.directAddress, FEZZ_ARTIFACTS: this.artifacts }
    return runCli(args, { env })
  }

  /** Starts a host, where it was if it was; resolves when it serves what the store says. */
  async startHost(id: string, env: Readonly<Record<string, string>> = {}): Promise<ClusterHost> {
    const host = await this.beginHost(id, env)
    await host.cli.line(({ msg }) => msg === 'ready')
    this.requester.begin(host)
    return host
  }

  /** The same without waiting for more than its port, and nobody asks it. */
  async beginHost(id: string, env: Readonly<Record<string, string>> = {}): Promise<ClusterHost> {
    const { stateDir, cacheDir, port } = this.hosts.get(id) ?? (await freshPlace())
    const labels = { part: id.slice(id.indexOf('-') + 1) }
    const cli = await serve([], {
      env: {
        FEZZ_STORE: this.address,
        FEZZ_ARTIFACTS: this.artifacts,
        FEZZ_NODE_ID: id,
        FEZZ_NODE_LABELS: `part=${labels.part}`,
        FEZZ_STATE_DIR: stateDir,
        FEZZ_CACHE_DIR: cacheDir,
        FEZZ_PORT: String(port),
        FEZZ_NODE_TTL: this.#options.nodeTtl ?? '15s',
        FEZZ_DRAIN_DELAY: '50ms',
        ...this.#options.env,
        ...env,
      },
    })
    const host = { id, labels, cli, port: cli.port, stateDir, cacheDir }
    this.hosts.set(id, host)
    return host
  }

  /** Ends a host as an operator would; nobody asks it any more. */
  async stopHost(id: string, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.requester.end(id)
    await this.host(id).cli.stop(signal)
  }

  /** Compares every running host with the store; see `compare`. */
  compare(withinMs?: number): Promise<number> {
    const { store, functions, goodVersions } = this
    const hosts = [...this.hosts.values()].filter(({ cli }) => cli.child.exitCode === null)
    const limit = withinMs === undefined ? {} : { withinMs }
    return compare({ store, functions, hosts, goodVersions, ...limit })
  }

  /** What each host says of its control plane. */
  statuses(): Promise<HostStatus['controlPlane'][]> {
    const hosts = [...this.hosts.values()]
    return Promise.all(hosts.map(async ({ port }) => (await statusOf(port)).controlPlane))
  }

  /** Resolves when what every host says has these fields. */
  async untilAllSay(
    expected: Partial<HostStatus['controlPlane']>,
    timeout = 10_000,
  ): Promise<void> {
    const all = Array.from(this.hosts, () => expected)
    await vi.waitFor(async () => expect(await this.statuses()).toMatchObject(all), { timeout })
  }

  /** No request has failed, and what has not changed has been loaded once. */
  expectNoHarm(): void {
    expect(this.requester.failures).toEqual([])
    expect(this.requester.answered).toBeGreaterThan(100)
    for (const host of this.hosts.keys()) {
      for (const id of this.steadyIds) expect(this.loads(host, id), `${host} ${id}`).toEqual(['v1'])
    }
  }

  /** Starts the server again after a crash, with the data it has. */
  async restartServer(): Promise<void> {
    await this.server.restart()
    // It counts from its start.
    this.#own.count = 0
    this.#before.queries = 0
  }

  /** Wipes the data of the server while it is down. */
  wipeServer(): Promise<void> {
    return rm(this.server.dataDir, { recursive: true })
  }

  /** From now on {@link toll} counts. */
  async beginToll(): Promise<void> {
    this.#before = { queries: await this.#queries(), dials: this.proxy.connections }
  }

  /** What the server has had to bear since {@link beginToll}, for each host. */
  async toll(): Promise<{ readonly queries: number; readonly dials: number }> {
    const { queries, dials } = this.#before
    const perHost = (count: number) => Math.ceil(count / this.hosts.size)
    return {
      queries: perHost((await this.#queries()) - queries),
      dials: perHost(this.proxy.connections - dials),
    }
  }

  /** What the server has got from the hosts since it was started. */
  async #queries(): Promise<number> {
    const calls = [...(await this.server.calls())]
    // Whoever starts Consul asks for its health.
    const asked = calls.filter(([name]) => !/\.v1\.(?:status|health|agent)\./.test(`${name}.`))
    return asked.reduce((sum, [, count]) => sum + count, 0) - this.#own.count
  }

  /** Versions of a function in the order in which a host has loaded them since it was started. */
  loads(host: string, functionId: string): unknown[] {
    return this.host(host)
      .cli.linesOf(functionId, 'function loaded')
      .map(({ version }) => version)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.requester[Symbol.asyncDispose]()
    await Promise.all(Array.from(this.hosts.values(), ({ cli }) => cli[Symbol.asyncDispose]()))
    await this.store.close()
    await this.proxy[Symbol.asyncDispose]()
    await this.server[Symbol.asyncDispose]()
  }
}

export interface ClusterHost extends Compared {
  readonly cli: CliHost
  readonly stateDir: string
  readonly cacheDir: string
}

/** Starts a server and hosts, and registers the functions that are asked for all the time. */
export async function startCluster(
  kind: StoreKind,
  options: ClusterOptions = {},
): Promise<TestCluster> {
  const server =
    kind === 'etcd' ? await startEtcd() : await startConsul({ settings: { session_ttl_min: '1s' } })
  const proxy = await startTcpProxy({ port: server.port })
  const log = createLogger({ level: 'silent' })
  const store = await openStore(parseStoreUrl(`${kind}://127.0.0.1:${server.port}`), { log })
  const artifacts = await temporaryFolder()
  const cluster = new TestCluster(kind, server, proxy, store, artifacts, options)
  try {
    const ids = [...cluster.steadyIds, ...cluster.rollingIds]
    await Promise.all(ids.map(id => cluster.put(id, 'v1')))
    await Promise.all((options.hosts ?? ['host-a', 'host-b']).map(id => cluster.startHost(id)))
    await cluster.compare()
    return cluster
  } catch (error) {
    await cluster[Symbol.asyncDispose]()
    throw error
  }
}

/** Where a host may be, also when it is started again. */
async function freshPlace() {
  const [port = 0] = await freePorts(1)
  return { stateDir: await temporaryFolder(), cacheDir: await temporaryFolder(), port }
}

interface OwnCalls {
  readonly store: Store
  count: number
}

/** The same store, and how often it was asked. */
function countCalls(store: Store): OwnCalls {
  const own = {
    count: 0,
    store: new Proxy(store, {
      get(target, name: keyof Store) {
        if (name === 'list' || name === 'put' || name === 'delete') own.count++
        const member: unknown = Reflect.get(target, name, target)
        return typeof member === 'function' ? member.bind(target) : member
      },
    }),
  }
  return own
}

/** The code of a function that answers with `text`. */
export function bundleOf(text: string): { readonly bundle: string; readonly sha256: string } {
  const bundle = `exports.default = { fetch: () => new Response(${JSON.stringify(text)}) }\n`
  return { bundle, sha256: sha256Of(bundle) }
}
