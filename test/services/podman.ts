import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { BackgroundService, type Command } from './background-service.ts'
import { type BinarySource, binary } from './binary.ts'
import { DockerApi } from './docker-api.ts'
import { debianTree } from './packages.ts'
import {
  networkSettings,
  POLICY,
  podmanSettings,
  REGISTRIES,
  SCRIPT,
  storageSettings,
} from './podman-files.ts'
import { bridgeOf, removeRemains } from './podman-remains.ts'

/** What it needs beside itself; `iproute2` is ours, for what is to be cleaned up. */
const PACKAGES = ['podman', 'runc', 'containernetworking-plugins', 'iptables', 'iproute2'] as const
const COMMANDS = {
  podman: 'usr/bin/podman',
  conmon: 'usr/bin/conmon',
  runc: 'usr/sbin/runc',
  ip: 'bin/ip',
  iptables: 'usr/sbin/xtables-nft-multi iptables',
  'iptables-save': 'usr/sbin/xtables-nft-multi iptables-save',
  'iptables-restore': 'usr/sbin/xtables-nft-multi iptables-restore',
  ip6tables: 'usr/sbin/xtables-nft-multi ip6tables',
} as const
const SOURCE: BinarySource = {
  env: 'PODMAN_BIN',
  usable: { args: ['--version'], prints: /^podman version [45]\./ },
  packages: [debianTree('podman', PACKAGES, COMMANDS, 'podman')],
}

/**
 * Podman, with runc and all else that it needs. It wants a root of Linux.
 *
 * @throws when there is none and `FEZZ_REQUIRE_SERVICES=1`
 */
export async function podmanProgram(): Promise<string | undefined> {
  if (process.platform === 'linux' && process.getuid?.() === 0) return binary('podman', SOURCE)
  const message = 'podman is tested as root of Linux only'
  if (process.env['FEZZ_REQUIRE_SERVICES'] === '1') throw new Error(message)
  console.warn(`SKIPPING TESTS: ${message}`)
  return undefined
}

/**
 * A podman that speaks the Docker API, with storage, settings and a network of its own. It and its
 * containers live in a process namespace and a mount namespace of their own, so that all of them
 * and their mounts are gone with it in whatever way it ends. Killed and started again, it has the
 * containers and images that it had, none of them running: as after a machine's restart.
 */
export class Podman extends BackgroundService {
  readonly name = 'podman'
  protected readonly portCount = 0
  readonly #program: string
  /** Of its network; kept when it is started again. */
  readonly #subnet = freeSubnet()

  /** @param program see {@link podmanProgram} */
  constructor(program: string) {
    super()
    this.#program = program
  }

  /** Its unix socket, which speaks the Docker API 1.41 and podman's own. */
  get socketPath(): string {
    return join(this.folder, 'podman.sock')
  }

  /** The same for `DOCKER_HOST`. */
  get endpoint(): string {
    return `unix://${this.socketPath}`
  }

  /** The Docker API, spoken without a client library. */
  get api(): DockerApi {
    return new DockerApi(this.socketPath)
  }

  /** Podman and its containers end at once: their namespace's first process hears no signal. */
  override stop(): Promise<void> {
    return this.kill()
  }

  override abandon(): void {
    const { folder } = this
    // Killed first: what it still runs would hold on to what is removed.
    if (this.isRunning) process.kill(this.pid, 'SIGKILL')
    if (folder !== '') removeRemains(folder)
    super.abandon()
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    if (this.folder !== '') removeRemains(this.folder)
    await super[Symbol.asyncDispose]()
  }

  protected async command(): Promise<Command> {
    const { folder } = this
    const bridge = bridgeOf(folder)
    const files = {
      'containers.conf': podmanSettings(folder, bridge, this.#program),
      'storage.conf': storageSettings(folder),
      'registries.conf': REGISTRIES,
      'policy.json': POLICY,
      [`networks/${bridge}.conflist`]: networkSettings(bridge, this.#subnet),
      'start.sh': SCRIPT,
    }
    await mkdir(join(folder, 'networks'), { recursive: true })
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
    const path = [dirname(this.#program), process.env['PATH'], '/usr/sbin', '/sbin'].join(delimiter)
    const namespaces = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc']
    return {
      program: 'unshare',
      args: [...namespaces, 'env', `PATH=${path}`, 'sh', join(folder, 'start.sh'), this.#program],
    }
  }

  protected async isReady(): Promise<boolean> {
    return (await this.api.call('GET', '/_ping')).status === 200
  }
}

/** Starts a podman of one's own. @throws when there is none, or it does not start */
export async function startPodman(): Promise<Podman> {
  const program = await podmanProgram()
  if (program === undefined) throw new Error('there is no podman')
  return new Podman(program).start()
}

/** Of the private range, but for what Docker and podman take by default: one that nobody has. */
function freeSubnet(): string {
  // Also has the bridges without a container, which the list of network interfaces leaves out.
  const taken = readFileSync('/proc/net/fib_trie', 'utf8')
  for (;;) {
    const start = `10.${200 + Math.floor(Math.random() * 50)}.${Math.floor(Math.random() * 256)}.`
    if (!taken.includes(` ${start}`)) return `${start}0/24`
  }
}
