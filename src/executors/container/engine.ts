import { Agent } from 'node:http'
import type { Readable } from 'node:stream'
import { inspect } from 'node:util'
import type Docker from 'dockerode'
import { describeEngine, type EngineAddress } from './engine-address.ts'
import { engineError, isMissing, statusOf } from './engine-error.ts'

/** Settings of a container in the words of the Docker API. */
export type ContainerSettings = Docker.ContainerCreateOptions

/** What the Docker API tells of a container. */
export type ContainerFacts = Docker.ContainerInspectInfo

/** User and password, or a token, for one registry; in the words of the Docker API. */
export type RegistryAuth = Docker.AuthConfig | Docker.AuthConfigObject

/** A container in a list. */
export interface ListedContainer {
  readonly id: string
  readonly labels: Readonly<Record<string, string>>
}

/**
 * A container engine, Docker or podman, over the Docker API. Every call throws a FezzError
 * `FUNCTION_LOAD_FAILED` that names the call, or says that there is no engine; its cause is the
 * client's own error.
 */
export class Engine {
  /** Where it is, for messages. */
  readonly where: string
  readonly address: EngineAddress
  readonly #agent = new QuietAgent({ keepAlive: true })
  #client: Promise<Docker> | undefined

  constructor(address: EngineAddress) {
    this.address = address
    this.where = describeEngine(address)
  }

  /** @returns the id of a new container */
  create(settings: ContainerSettings): Promise<string> {
    return this.#call('create a container', async docker => {
      return (await docker.createContainer(settings)).id
    })
  }

  start(id: string): Promise<void> {
    return this.#call('start the container', docker => docker.getContainer(id).start())
  }

  pause(id: string): Promise<void> {
    return this.#call('pause the container', docker => docker.getContainer(id).pause())
  }

  unpause(id: string): Promise<void> {
    return this.#call('unpause the container', docker => docker.getContainer(id).unpause())
  }

  /** SIGTERM, and SIGKILL after `graceMs`; it knows whole seconds only. */
  stop(id: string, graceMs: number): Promise<void> {
    return this.#call('stop the container', async docker => {
      // 304: it has ended by itself.
      await unless([304], docker.getContainer(id).stop({ t: Math.ceil(graceMs / 1_000) }))
    })
  }

  /** SIGKILL; harmless for one that has ended. */
  async kill(id: string): Promise<void> {
    await this.#call('kill the container', async docker => {
      // Podman answers 500 where Docker answers 409.
      await unless([404, 409, 500], docker.getContainer(id).kill({ signal: 'KILL' }))
    })
  }

  /** Ends and removes it, whatever it does; harmless for one that is gone. */
  async remove(id: string): Promise<void> {
    await this.#call('remove the container', async docker => {
      const container = docker.getContainer(id)
      try {
        await container.remove({ force: true, v: true })
      } catch (error) {
        if (isMissing(error)) return
        // Somebody removes it already; or it is paused, which older engines do not kill.
        await unless([404, 409, 500], container.unpause())
        await unless([404, 409], container.remove({ force: true, v: true }))
      }
    })
  }

  inspect(id: string): Promise<ContainerFacts> {
    return this.#call('inspect the container', docker => docker.getContainer(id).inspect())
  }

  /** Resolves when it does not run, with its exit code. */
  ended(id: string): Promise<number> {
    return this.#call('wait for the container', async docker => {
      const { StatusCode } = (await docker.getContainer(id).wait()) as { StatusCode: number }
      return StatusCode
    })
  }

  /** What it prints from now on: frames, each a byte for the stream, three zeros and a length. */
  attach(id: string): Promise<Readable> {
    return this.#call('read what the container prints', async docker => {
      const options = { stream: true, stdout: true, stderr: true }
      return (await docker.getContainer(id).attach(options)) as unknown as Readable
    })
  }

  /** All containers with a label of that value, also those that do not run. */
  list(label: string, value: string): Promise<ListedContainer[]> {
    return this.#call('list containers', async docker => {
      const filters = { label: [`${label}=${value}`] }
      const found = await docker.listContainers({ all: true, filters })
      return found.map(({ Id, Labels }) => ({ id: Id, labels: Labels ?? {} }))
    })
  }

  async hasImage(image: string): Promise<boolean> {
    return this.#call('look for the image', async docker => {
      try {
        await docker.getImage(image).inspect()
        return true
      } catch (error) {
        if (isMissing(error)) return false
        throw error
      }
    })
  }

  /** What the engine says while it pulls `image`: JSON, a line each. Throws the client's own error. */
  async pull(image: string, auth: RegistryAuth | undefined): Promise<Readable> {
    const docker = await this.#docker()
    const options = { fromImage: image, ...(auth && { authconfig: auth }) }
    return (await docker.createImage(options)) as Readable
  }

  /** Closes the connections that are kept. */
  close(): void {
    this.#agent.destroy()
  }

  async #call<T>(what: string, call: (docker: Docker) => Promise<T>): Promise<T> {
    try {
      return await call(await this.#docker())
    } catch (error) {
      throw engineError(error, what, this.where)
    }
  }

  #docker(): Promise<Docker> {
    this.#client ??= this.#connect()
    return this.#client
  }

  async #connect(): Promise<Docker> {
    // Here alone: a host without containers does not pay for it.
    const { default: Client } = await import('dockerode')
    if (this.address === 'environment') return new Client()
    // It would else prefer the host of DOCKER_HOST to a socket.
    const address = { host: undefined, socketPath: undefined, ...this.address }
    return new Client({ ...address, agent: this.#agent } as unknown as Docker.DockerOptions)
  }
}

/** The client has each call described in full for a debug log that nobody reads, sockets and all. */
class QuietAgent extends Agent {
  [inspect.custom](): string {
    return 'QuietAgent'
  }
}

async function unless(statuses: readonly number[], call: Promise<unknown>): Promise<void> {
  try {
    await call
  } catch (error) {
    if (!statuses.includes(statusOf(error) ?? 0)) throw error
  }
}
