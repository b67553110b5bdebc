import { Agent } from 'node:http'
import { addAbortSignal, type Readable } from 'node:stream'
import { inspect } from 'node:util'
import type Docker from 'dockerode'
import { FezzError } from '../../errors.ts'
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

/** For any call but a pull; engines that are busy take seconds. */
const CALL_TIMEOUT_MS = 30_000

/**
 * A container engine, Docker or podman, over the Docker API. Every call throws a FezzError
 * `FUNCTION_LOAD_FAILED` that names the call, or says that there is no engine or that it does not
 * answer; its cause is the client's own error.
 */
export class Engine {
  /** Where it is, for messages. */
  readonly where: string
  readonly address: EngineAddress
  readonly #callTimeoutMs: number
  readonly #agent = new QuietAgent({ keepAlive: true })
  readonly #closed = new AbortController()
  #client: Promise<Docker> | undefined

  /** @param callTimeoutMs how long it may take to answer. Default 30,000 */
  constructor(address: EngineAddress, callTimeoutMs = CALL_TIMEOUT_MS) {
    this.address = address
    this.where = describeEngine(address)
    this.#callTimeoutMs = callTimeoutMs
  }

  /** @returns the id of a new container */
  create(settings: ContainerSettings): Promise<string> {
    return this.#call('create a container', async (docker, abortSignal) => {
      return (await docker.createContainer({ ...settings, abortSignal })).id
    })
  }

  start(id: string): Promise<void> {
    return this.#call('start the container', (docker, abortSignal) =>
      docker.getContainer(id).start({ abortSignal }),
    )
  }

  pause(id: string): Promise<void> {
    return this.#call('pause the container', (docker, abortSignal) =>
      docker.getContainer(id).pause({ abortSignal }),
    )
  }

  unpause(id: string): Promise<void> {
    return this.#call('unpause the container', (docker, abortSignal) =>
      docker.getContainer(id).unpause({ abortSignal }),
    )
  }

  /** SIGTERM, and SIGKILL after `graceMs`; it knows whole seconds only. */
  stop(id: string, graceMs: number): Promise<void> {
    const stop = async (docker: Docker, abortSignal: AbortSignal): Promise<void> => {
      const options = { t: Math.ceil(graceMs / 1_000), abortSignal }
      // 304: it has ended by itself.
      await unless([304], docker.getContainer(id).stop(options))
    }
    return this.#call('stop the container', stop, graceMs)
  }

  /** SIGKILL; harmless for one that has ended. */
  async kill(id: string): Promise<void> {
    await this.#call('kill the container', async (docker, abortSignal) => {
      const options = { signal: 'KILL', abortSignal }
      // Podman answers 500 where Docker answers 409.
      await unless([404, 409, 500], docker.getContainer(id).kill(options))
    })
  }

  /** Ends and removes it, whatever it does; harmless for one that is gone. */
  async remove(id: string): Promise<void> {
    await this.#call('remove the container', async (docker, abortSignal) => {
      const container = docker.getContainer(id)
      const remove = () => container.remove({ force: true, v: true, abortSignal })
      try {
        await remove()
      } catch (error) {
        if (isMissing(error)) return
        // Somebody removes it already; or it is paused, which older engines do not kill.
        await unless([404, 409, 500], container.unpause({ abortSignal }))
        await unless([404, 409], remove())
      }
    })
  }

  inspect(id: string): Promise<ContainerFacts> {
    return this.#call('inspect the container', (docker, abortSignal) =>
      docker.getContainer(id).inspect({ abortSignal }),
    )
  }

  /** What it prints from now on: frames, each a byte for the stream, three zeros and a length. */
  attach(id: string): Promise<Readable> {
    return this.#call('read what the container prints', async (docker, abortSignal) => {
      const options = { stream: true, stdout: true, stderr: true, abortSignal }
      const attach = async () =>
        (await docker.getContainer(id).attach(options)) as unknown as Readable
      try {
        return await attach()
      } catch (error) {
        // Podman makes what has ended ready for a new start first; where it has only just ended, it
        // does so and refuses all the same.
        if (statusOf(error) !== 500) throw error
        return attach()
      }
    })
  }

  /** All containers with a label of that value, also those that do not run. */
  list(label: string, value: string): Promise<ListedContainer[]> {
    return this.#call('list containers', async (docker, abortSignal) => {
      const filters = { label: [`${label}=${value}`] }
      const found = await docker.listContainers({ all: true, filters, abortSignal })
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

  /**
   * What the engine says while it pulls `image`: JSON, a line each. Throws the client's own error.
   *
   * @param abortSignal gives up
   */
  async pull(
    image: string,
    auth: RegistryAuth | undefined,
    abortSignal: AbortSignal,
  ): Promise<Readable> {
    const docker = await this.#docker()
    const options = { fromImage: image, ...(auth && { authconfig: auth }), abortSignal }
    const progress = (await docker.createImage(options)) as Readable
    return addAbortSignal(abortSignal, progress)
  }

  /** Closes the connections that are kept; calls under way, and later ones, fail. Idempotent. */
  close(): void {
    this.#closed.abort()
    this.#agent.destroy()
  }

  /** @param graceMs what the engine itself is told to wait */
  async #call<T>(
    what: string,
    call: (docker: Docker, abortSignal: AbortSignal) => Promise<T>,
    graceMs = 0,
  ): Promise<T> {
    const limitMs = this.#callTimeoutMs + graceMs
    // Of the call alone: what it has opened, such as a stream, lives on.
    const over = new AbortController()
    const timer = setTimeout(() => over.abort(), limitMs)
    const signal = AbortSignal.any([over.signal, this.#closed.signal])
    try {
      const docker = await this.#docker()
      return await unlessAborted(call(docker, signal), signal)
    } catch (error) {
      if (!over.signal.aborted) throw engineError(error, what, this.where)
      const message = `the container engine at ${this.where} did not ${what} within ${limitMs} ms`
      throw new FezzError('FUNCTION_LOAD_FAILED', message, { cause: error })
    } finally {
      clearTimeout(timer)
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

/** Not every call of the client heeds its signal. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(signal.reason)
  signal.addEventListener('abort', onAbort)
  if (signal.aborted) onAbort()
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

async function unless(statuses: readonly number[], call: Promise<unknown>): Promise<void> {
  try {
    await call
  } catch (error) {
    if (!statuses.includes(statusOf(error) ?? 0)) throw error
  }
}
