// `npm run cluster`: etcd, three hosts and Envoy on this machine, until Ctrl-C. README.md here says
// what to try. It runs from a checkout, with the etcd and the Envoy of the tests.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Envoy, envoyProgram } from '../../test/services/envoy.ts'
import { etcdProgram } from '../../test/services/etcd.ts'
import { leaveNothing } from './leave-nothing.ts'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const CLI = resolve(process.env['CLUSTER_CLI'] ?? join(HERE, '../../dist/cli.js'))
const ETCD_PORT = 2379
const ENVOY_PORT = 10000
const HOSTS = [
  { name: 'host-1', port: 8081, xdsPort: 18001 },
  { name: 'host-2', port: 8082, xdsPort: 18002 },
  { name: 'host-3', port: 8083, xdsPort: 18003 },
]

const interrupted = new Promise<void>(resolve => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, resolve)
})

async function main(): Promise<void> {
  await using stack = new AsyncDisposableStack()
  await portsMustBeFree()
  const folder = await mkdtemp(join(tmpdir(), 'fezz-cluster-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const children = stack.use(new Children(folder))

  const etcd = await startEtcd(children)
  const env = {
    FEZZ_STORE: `etcd://127.0.0.1:${ETCD_PORT}`,
    FEZZ_ARTIFACTS: join(folder, 'artifacts'),
  }
  for (const host of HOSTS) await startHost(host, children, env)
  await apply(env, folder)
  const envoy = await startEnvoy()
  stack.use(envoy)

  const lines = [
    ['etcd', `127.0.0.1:${ETCD_PORT}`, etcd.pid],
    ...HOSTS.map(({ name, port }) => [name, `127.0.0.1:${port}`, children.pid(name)]),
    ['envoy', `127.0.0.1:${ENVOY_PORT}`, envoy.pid],
  ]
  for (const [name = '', address = '', pid] of lines) {
    console.log(`${String(name).padEnd(7)} ${String(address).padEnd(16)} pid ${pid}`)
  }
  console.log(`logs    ${folder}/*.log

In another terminal:
  export FEZZ_STORE=${env.FEZZ_STORE} FEZZ_ARTIFACTS=${env.FEZZ_ARTIFACTS}
  curl http://127.0.0.1:${ENVOY_PORT}/hello
  npx fezz get nodes
What else to try: examples/cluster/README.md. Ctrl-C here ends everything.`)
  await interrupted
  console.log('ending')
}

/** Processes of this cluster: ended with it, their output in a file each. */
class Children implements AsyncDisposable {
  readonly #folder: string
  readonly #children = new Map<string, ChildProcess>()

  constructor(folder: string) {
    this.#folder = folder
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const [etcd, ...hosts] = this.#children.values()
    await Promise.all(hosts.map(end))
    if (etcd !== undefined) await end(etcd)
  }

  get folder(): string {
    return this.#folder
  }

  pid(name: string): number | undefined {
    return this.#children.get(name)?.pid
  }

  async start(
    name: string,
    program: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): Promise<ChildProcess> {
    const command = await leaveNothing([program, ...args])
    const child = spawn(command[0] as string, command.slice(1), {
      cwd: this.#folder,
      env: { ...withoutOurs(), ...env },
      // A group of its own: Ctrl-C is for us, who then end it.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const log = createWriteStream(join(this.#folder, `${name}.log`))
    child.stdout.pipe(log, { end: false })
    child.stderr.pipe(log, { end: false })
    this.#children.set(name, child)
    await once(child, 'spawn')
    return child
  }
}

async function startEtcd(children: Children): Promise<ChildProcess> {
  const program = await etcdProgram()
  if (program === undefined) throw new Problem('there is no etcd here, and none can be had')
  const url = `http://127.0.0.1:${ETCD_PORT}`
  const peer = `http://127.0.0.1:${ETCD_PORT + 1}`
  const child = await children.start('etcd', program, [
    `--data-dir=${join(children.folder, 'etcd')}`,
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
  ])
  await answers(`${url}/health`, 'etcd')
  return child
}

async function startHost(
  { name, port, xdsPort }: (typeof HOSTS)[number],
  children: Children,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  await children.start(name, process.execPath, [CLI, 'serve'], {
    ...env,
    FEZZ_HOST: '127.0.0.1',
    FEZZ_PORT: String(port),
    FEZZ_NODE_ID: name,
    FEZZ_XDS_PORT: String(xdsPort),
    FEZZ_ENVOY_HOST: '127.0.0.1',
    FEZZ_ENVOY_PORT: String(ENVOY_PORT),
    FEZZ_TRUSTED_PROXIES: '127.0.0.1',
    // Envoy asks for the health twice a second.
    FEZZ_DRAIN_DELAY: '2s',
    FEZZ_ENV_HOST_NAME: name,
    FEZZ_CACHE_DIR: join(children.folder, name, 'cache'),
    FEZZ_STATE_DIR: join(children.folder, name, 'state'),
  })
  await writeFile(
    join(children.folder, `${name}.sh`),
    `#!/bin/sh
# Starts ${name} again, in the foreground.
export FEZZ_STORE=${env['FEZZ_STORE']} FEZZ_ARTIFACTS=${env['FEZZ_ARTIFACTS']}
export FEZZ_HOST=127.0.0.1 FEZZ_PORT=${port} FEZZ_NODE_ID=${name} FEZZ_XDS_PORT=${xdsPort}
export FEZZ_ENVOY_HOST=127.0.0.1 FEZZ_ENVOY_PORT=${ENVOY_PORT} FEZZ_TRUSTED_PROXIES=127.0.0.1
export FEZZ_DRAIN_DELAY=2s FEZZ_ENV_HOST_NAME=${name}
export FEZZ_CACHE_DIR=${children.folder}/${name}/cache FEZZ_STATE_DIR=${children.folder}/${name}/state
exec ${process.execPath} ${CLI} serve
`,
    { mode: 0o755 },
  )
  await answers(`http://127.0.0.1:${port}/_health`, name)
}

async function apply(env: NodeJS.ProcessEnv, folder: string): Promise<void> {
  await mkdir(join(folder, 'build'))
  const child = spawn(process.execPath, [CLI, 'apply', join(HERE, 'functions')], {
    env: { ...withoutOurs(), ...env, FEZZ_CACHE_DIR: join(folder, 'build') },
    stdio: 'inherit',
  })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Problem('the functions could not be applied')
}

/** Every host tells it the same; it asks the next one when one is gone. */
async function startEnvoy(): Promise<Envoy> {
  const program = await envoyProgram()
  if (program === undefined) throw new Problem('there is no Envoy here, and none can be had')
  const endpoints = HOSTS.map(({ xdsPort }) => ({
    endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: xdsPort } } },
  }))
  // As envoy/dynamic.yaml, with addresses of this machine. YAML takes JSON.
  const config = {
    node: { id: 'envoy-1', cluster: 'fezz-edge' },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        grpc_services: [
          {
            envoy_grpc: {
              cluster_name: 'fezz-xds',
              retry_policy: {
                retry_back_off: { base_interval: '0.25s', max_interval: '2s' },
              },
            },
          },
        ],
      },
      cds_config: { ads: {}, resource_api_version: 'V3' },
      lds_config: { ads: {}, resource_api_version: 'V3' },
    },
    static_resources: {
      clusters: [
        {
          name: 'fezz-xds',
          type: 'STATIC',
          connect_timeout: '1s',
          load_assignment: { cluster_name: 'fezz-xds', endpoints: [{ lb_endpoints: endpoints }] },
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
              explicit_http_config: {
                http2_protocol_options: {
                  connection_keepalive: { interval: '10s', timeout: '5s' },
                },
              },
            },
          },
        },
      ],
    },
  }
  return new Envoy(program, { config: JSON.stringify(config) }).start()
}

async function portsMustBeFree(): Promise<void> {
  const ports = [ETCD_PORT, ETCD_PORT + 1, ENVOY_PORT, ...HOSTS.flatMap(h => [h.port, h.xdsPort])]
  for (const port of ports) {
    const server = createServer()
    try {
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
    } catch {
      throw new Problem(`port ${port} of 127.0.0.1 is taken; end the program that has it`)
    } finally {
      server.close()
    }
  }
}

async function answers(url: string, name: string): Promise<void> {
  for (const untilMs = performance.now() + 20_000; performance.now() < untilMs; ) {
    const isOk = await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    )
    if (isOk) return
    await sleep(50)
  }
  throw new Problem(`${name} does not answer at ${url}`)
}

/** Also one that is paused; what does not end in time is killed. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  child.kill('SIGCONT')
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
  await ended
  clearTimeout(timer)
}

function withoutOurs(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^FEZZ_/.test(name)))
}

/** What a person can do something about. */
class Problem extends Error {}

try {
  await main()
} catch (error) {
  console.error(error instanceof Problem ? `cluster: ${error.message}` : error)
  process.exitCode = 1
}
