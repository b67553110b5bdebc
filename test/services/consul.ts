import { readFile, writeFile } from 'node:fs/promises'
import { type RequestOptions, request } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Command } from './background-service.ts'
import { binary } from './binary.ts'
import type { Certificates } from './certificates.ts'
import { debianPool } from './packages.ts'
import { StoreService, type StoreServiceOptions } from './store-service.ts'

/** From Debian 11; later releases have none. One static program that runs anywhere. */
const PACKAGE = debianPool(
  'consul-1.8.7',
  'pool/main/c/consul/consul_1.8.7+dfsg1-2+b3_amd64.deb',
  'e4e888bba104daba1d9161f49bfc52649a7e4efd45b1a7ead5bc54f2cb9c89d9',
  'usr/bin/consul',
)

/** Consul's one program, server and client. */
export function consulProgram(): Promise<string | undefined> {
  const usable = { args: ['version'], prints: /^Consul v1\./ }
  // The package is for this one architecture.
  const packages = process.arch === 'x64' ? [PACKAGE] : []
  return binary('consul', { env: 'CONSUL_BIN', usable, packages })
}

export interface ConsulOptions extends StoreServiceOptions {
  /** Denies everything to whoever has not this token. Default: everybody may do everything. */
  readonly token?: string
  /** More settings in Consul's own names, such as `{ session_ttl_min: '1s' }`. */
  readonly settings?: Readonly<Record<string, unknown>>
}

/** A running Consul server of one member, with its data on disk. */
export class Consul extends StoreService<ConsulOptions> {
  readonly name = 'consul'

  /** @param program see {@link consulProgram} */
  constructor(program: string, options: ConsulOptions = {}) {
    super(program, options)
  }

  /** A GET from its HTTP API, with the token and certificates that it takes; 2xx only. */
  get(path: string): Promise<string> {
    const { token } = this.options
    const headers = token === undefined ? {} : { 'x-consul-token': token }
    if (this.certificates !== undefined) return this.#getSecurely(path, headers)
    return fetch(this.endpoint + path, { headers }).then(async answer => {
      if (!answer.ok) throw new Error(`${path} answers ${answer.status}: ${await answer.text()}`)
      return answer.text()
    })
  }

  /** Its own metrics, as Prometheus reads them. */
  metrics(): Promise<string> {
    return this.get('/v1/agent/metrics?format=prometheus')
  }

  /**
   * How many requests it has answered since it was started, by method and path (`GET.v1.kv`). A
   * blocking query counts when it ends, so one that goes on is not in here yet.
   */
  async calls(): Promise<ReadonlyMap<string, number>> {
    const calls = new Map<string, number>()
    const lines = /^consul(?:_api)?_http_([A-Z]+)_(\w+?)_*_count (\S+)$/gm
    for (const [, method, path, count] of (await this.metrics()).matchAll(lines)) {
      calls.set(`${method}.${path?.replaceAll('_', '.')}`, Number(count))
    }
    return calls
  }

  protected async command(): Promise<Command> {
    const file = join(this.folder, 'settings.json')
    await writeFile(file, JSON.stringify(await this.#settings()))
    return { program: this.program, args: ['agent', `-config-file=${file}`] }
  }

  protected async isReady(): Promise<boolean> {
    if (JSON.parse(await this.get('/v1/status/leader')) === '') return false
    // With a leader it still takes a moment until this node is registered, and sessions need it.
    return JSON.parse(await this.get('/v1/health/node/test')).length > 0
  }

  async #settings(): Promise<object> {
    const { token, tls, settings } = this.options
    const [api, rpc, serf] = this.ports
    return {
      node_name: 'test',
      server: true,
      bootstrap_expect: 1,
      bind_addr: '127.0.0.1',
      client_addr: '127.0.0.1',
      data_dir: this.dataDir,
      ports: {
        http: tls === true ? -1 : api,
        https: tls === true ? api : -1,
        server: rpc,
        serf_lan: serf,
        serf_wan: -1,
        dns: -1,
        grpc: -1,
      },
      // It elects itself: no reason to wait five times as long as a real cluster would.
      performance: { raft_multiplier: 1 },
      telemetry: { prometheus_retention_time: '1h', disable_hostname: true },
      disable_update_check: true,
      leave_on_terminate: false,
      // One address gets 200 connections at most otherwise.
      limits: { http_max_conns_per_client: 10_000 },
      ...(tls === true && (await this.#tlsSettings())),
      ...(token !== undefined && {
        acl: { enabled: true, default_policy: 'deny', tokens: { master: token, agent: token } },
      }),
      ...settings,
    }
  }

  async #tlsSettings(): Promise<object> {
    const { ca, serverCert, serverKey } = await this.makeCertificates()
    return { ca_file: ca, cert_file: serverCert, key_file: serverKey, verify_incoming: true }
  }

  async #getSecurely(path: string, headers: Record<string, string>): Promise<string> {
    const { ca, clientCert, clientKey } = this.certificates as Certificates
    const [caPem, cert, key] = await Promise.all([ca, clientCert, clientKey].map(f => readFile(f)))
    return new Promise((resolve, reject) => {
      const options = { headers, ca: caPem, cert, key, agent: false as const }
      const sent = request(this.endpoint + path, options as RequestOptions, answer => {
        text(answer).then(resolve, reject)
      })
      sent.on('error', reject).end()
    })
  }
}

/** Starts a Consul of one's own. @throws when there is none, or it does not start */
export async function startConsul(options?: ConsulOptions): Promise<Consul> {
  const program = await consulProgram()
  if (program === undefined) throw new Error('there is no consul')
  return new Consul(program, options).start()
}
