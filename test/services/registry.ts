import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BackgroundService, type Command } from './background-service.ts'
import { binary } from './binary.ts'
import type { DockerApi } from './docker-api.ts'

/** The registry of images that Docker itself once ran on, "distribution". */
export function registryProgram(): Promise<string | undefined> {
  return binary('docker-registry', { env: 'REGISTRY_BIN', debianPackage: 'docker-registry' })
}

/** A registry of images that gives and takes them with a password only. */
export class Registry extends BackgroundService {
  readonly name = 'registry'
  protected readonly portCount = 1
  readonly username = 'tester'
  readonly password = 'secret'
  readonly #program: string

  /** @param program see {@link registryProgram} */
  constructor(program: string) {
    super()
    this.#program = program
  }

  get endpoint(): string {
    return `http://${this.address}`
  }

  /** What the names of its images start with: `127.0.0.1:PORT`. */
  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  /** The value of the header `X-Registry-Auth` of the Docker API. */
  get auth(): string {
    const { username, password, address } = this
    const account = { username, password, serveraddress: address }
    return Buffer.from(JSON.stringify(account)).toString('base64url')
  }

  /**
   * Pushes a local image of podman's, and removes the name that it got for that.
   *
   * @param name of it in this registry, such as `app:v1`
   * @returns the whole name: `127.0.0.1:PORT/app:v1`
   */
  async push(api: DockerApi, image: string, name: string): Promise<string> {
    const [repo = '', tag = 'latest'] = `${this.address}/${name}`.split(/:(?=[^/:]+$)/)
    const whole = `${repo}:${tag}`
    await api.do('POST', `/images/${image}/tag?${new URLSearchParams({ repo, tag })}`)
    const pushing = `/images/${whole}/push`
    const { status, text } = await api.call('POST', pushing, {}, { 'x-registry-auth': this.auth })
    // What goes wrong after the start is told in the stream of an answer that begins with 200.
    if (status !== 200 || text.includes('"error"')) throw new Error(`no push of ${whole}: ${text}`)
    await api.do('DELETE', `/images/${whole}`)
    return whole
  }

  protected async command(): Promise<Command> {
    const accounts = join(this.folder, 'htpasswd')
    const settings = {
      version: '0.1',
      log: { level: 'warn', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(this.folder, 'images') } },
      http: { addr: this.address },
      auth: { htpasswd: { realm: 'test', path: accounts } },
    }
    const file = join(this.folder, 'settings.yml')
    // JSON is YAML. The hash is the password's: it takes no other kind than bcrypt.
    await writeFile(file, JSON.stringify(settings))
    await writeFile(accounts, `${this.username}:${HASH}\n`)
    return { program: this.#program, args: ['serve', file] }
  }

  protected async isReady(): Promise<boolean> {
    return (await fetch(`${this.endpoint}/v2/`)).status === 401
  }
}

const HASH = '$2b$05$FezzTestRegistrySaltXudVsXrhUsRrepQQe/1/QbokDHTxxs7QW'

/** Starts a registry of one's own. @throws when there is none, or it does not start */
export async function startRegistry(): Promise<Registry> {
  const program = await registryProgram()
  if (program === undefined) throw new Error('there is no docker-registry')
  return new Registry(program).start()
}
