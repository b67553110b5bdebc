import { resolve } from 'node:path'
import type { Command } from './background-service.ts'
import { binary } from './binary.ts'
import { goTools } from './packages.ts'
import { run } from './run.ts'
import { StoreService, type StoreServiceOptions } from './store-service.ts'

const VERSION = '3.7.3'
const MODULE = resolve(import.meta.dirname, 'etcd')

/** The server. Debian's 3.4, which loses watches, is taken only where none can be built. */
export function etcdProgram(): Promise<string | undefined> {
  return binary('etcd', {
    env: 'ETCD_BIN',
    usable: { args: ['--version'], prints: /etcd Version: 3\.([5-9]|\d\d)/ },
    packages: [goTools(`etcd-${VERSION}`, MODULE, 'server')],
    debianPackage: 'etcd-server',
  })
}

/** Its command line client. */
export function etcdctlProgram(): Promise<string | undefined> {
  return binary('etcdctl', {
    env: 'ETCDCTL_BIN',
    usable: { args: ['version'], prints: /etcdctl version: 3\.([5-9]|\d\d)/ },
    packages: [goTools(`etcd-${VERSION}`, MODULE, 'etcdctl')],
    debianPackage: 'etcd-client',
  })
}

export interface EtcdOptions extends StoreServiceOptions {
  /** Turns authentication on, with this password for `root`. Default: everybody may do everything. */
  readonly rootPassword?: string
  /** More arguments of etcd's own. */
  readonly args?: readonly string[]
}

/** A running etcd of one member. Its certificates, if any, are in {@link certificates}. */
export class Etcd extends StoreService<EtcdOptions> {
  readonly name = 'etcd'

  /** @param program see {@link etcdProgram} */
  constructor(program: string, options: EtcdOptions = {}) {
    super(program, options)
  }

  /** Runs etcdctl against it, as root where there is authentication; what it prints. */
  async etcdctl(args: readonly string[]): Promise<string> {
    const { rootPassword } = this.options
    const user = rootPassword === undefined ? [] : ['--user', `root:${rootPassword}`]
    return this.#etcdctl([...user, ...args])
  }

  /** Its own metrics, as Prometheus reads them. */
  async metrics(): Promise<string> {
    return (await fetch(`http://127.0.0.1:${this.ports[2]}/metrics`)).text()
  }

  /** How many calls it has got since it was started, by gRPC method (`Range`, `Txn`, `Watch`). */
  async calls(): Promise<ReadonlyMap<string, number>> {
    const calls = new Map<string, number>()
    const lines = /^grpc_server_started_total\{.*grpc_method="(\w+)".*\} (\S+)$/gm
    for (const [, method = '', count] of (await this.metrics()).matchAll(lines)) {
      if (Number(count) > 0) calls.set(method, (calls.get(method) ?? 0) + Number(count))
    }
    return calls
  }

  protected async command(): Promise<Command> {
    if (this.options.tls === true) await this.makeCertificates()
    const [, peer, metrics] = this.ports.map(port => `http://127.0.0.1:${port}`)
    const settings = {
      name: 'test',
      'data-dir': this.dataDir,
      'listen-client-urls': this.endpoint,
      'advertise-client-urls': this.endpoint,
      'listen-peer-urls': peer,
      'initial-advertise-peer-urls': peer,
      'initial-cluster': `test=${peer}`,
      'listen-metrics-urls': metrics,
      // A killed process loses nothing that it has written: only a machine that fails does.
      'unsafe-no-fsync': 'true',
      // It elects itself: no reason to wait a second for it.
      'heartbeat-interval': '10',
      'election-timeout': '100',
    }
    const args = Object.entries(settings).map(([name, value]) => `--${name}=${value}`)
    return {
      program: this.program,
      args: [...args, ...this.#tlsArgs(), ...(this.options.args ?? [])],
    }
  }

  protected async isReady(): Promise<boolean> {
    const answer = await fetch(`http://127.0.0.1:${this.ports[2]}/health`)
    return ((await answer.json()) as { health: string }).health === 'true'
  }

  protected override async prepare(): Promise<void> {
    const { rootPassword } = this.options
    if (rootPassword === undefined) return
    await this.#etcdctl(['user', 'add', `root:${rootPassword}`])
    await this.#etcdctl(['user', 'grant-role', 'root', 'root'])
    await this.#etcdctl(['auth', 'enable'])
  }

  #etcdctl(args: readonly string[]): Promise<string> {
    const files = this.certificates
    if (files === undefined) return etcdctl(this.endpoint, args)
    const tls = ['--cacert', files.ca, '--cert', files.clientCert, '--key', files.clientKey]
    return etcdctl(this.endpoint, [...tls, ...args])
  }

  #tlsArgs(): readonly string[] {
    const files = this.certificates
    if (files === undefined) return []
    return [
      `--cert-file=${files.serverCert}`,
      `--key-file=${files.serverKey}`,
      `--trusted-ca-file=${files.ca}`,
      '--client-cert-auth',
    ]
  }
}

/** Starts an etcd of one's own. @throws when there is none, or it does not start */
export async function startEtcd(options?: EtcdOptions): Promise<Etcd> {
  const program = await etcdProgram()
  if (program === undefined) throw new Error('there is no etcd')
  return new Etcd(program, options).start()
}

/** Runs etcdctl against the server at `endpoint`, such as a shared one; what it prints. */
export async function etcdctl(endpoint: string, args: readonly string[]): Promise<string> {
  const program = await etcdctlProgram()
  if (program === undefined) throw new Error('there is no etcdctl')
  // Debian's 3.4 needs to be told.
  const env = { ...process.env, ETCDCTL_API: '3' }
  return run(program, ['--endpoints', endpoint, ...args], { env })
}
