import { setTimeout as sleep } from 'node:timers/promises'
import type { DockerApi } from './docker-api.ts'

/** Settings of a container, in the words of the Docker API's `POST /containers/create`. */
export interface ContainerSettings {
  readonly Image: string
  readonly HostConfig?: Readonly<Record<string, unknown>>
  readonly [name: string]: unknown
}

/** What the tests read of `GET /containers/ID/json`. */
export interface ContainerState {
  readonly Status: string
  readonly ExitCode: number
}

/** A container that a test has started; removed, running or not, when disposed of. */
export class Container implements AsyncDisposable {
  readonly id: string
  readonly #api: DockerApi
  #url = ''

  private constructor(api: DockerApi, id: string) {
    this.#api = api
    this.id = id
  }

  /** Starts one; its port 80, if it has one in a network, is published. */
  static async start(api: DockerApi, settings: ContainerSettings): Promise<Container> {
    const published = { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] }
    const ports = settings.HostConfig?.['NetworkMode'] === 'none' ? {} : published
    const created = await api.do<{ Id: string }>('POST', '/containers/create', {
      ...settings,
      HostConfig: { PortBindings: ports, ...settings.HostConfig },
    })
    const container = new Container(api, created.Id)
    try {
      await container.act('start')
      return container
    } catch (error) {
      await container[Symbol.asyncDispose]()
      throw error
    }
  }

  /** A call without an answer: `start`, `pause`, `unpause`, `stop?t=1`. */
  async act(what: string): Promise<void> {
    await this.#api.do('POST', `/containers/${this.id}/${what}`)
  }

  async state(): Promise<ContainerState> {
    return (await this.#inspect()).State
  }

  /** Where its port 80 is published; the same when it is stopped and started again. */
  async url(): Promise<string> {
    if (this.#url !== '') return this.#url
    const { Ports } = (await this.#inspect()).NetworkSettings
    const port = Ports['80/tcp']?.[0]?.HostPort
    if (port === undefined) throw new Error('its port 80 is not published')
    this.#url = `http://127.0.0.1:${port}`
    return this.#url
  }

  /** What its server says to a GET, as soon as it is there. */
  async get(path: string): Promise<string> {
    const url = (await this.url()) + path
    for (let refused = 0; ; refused++) {
      try {
        return await (await fetch(url)).text()
      } catch (error) {
        const { code } = (error as { cause?: { code?: string } }).cause ?? {}
        if (code !== 'ECONNREFUSED' || refused === 500) throw error
        await sleep(10)
      }
    }
  }

  /** Waits for its end. @returns its exit code, and what it wrote */
  async ended(): Promise<{ readonly code: number; readonly output: string }> {
    const waiting = this.#api.do<{ StatusCode: number }>('POST', `/containers/${this.id}/wait`)
    const { StatusCode } = await waiting
    const logs = await this.#api.call('GET', `/containers/${this.id}/logs?stdout=1&stderr=1`)
    return { code: StatusCode, output: logs.text }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#api.call('DELETE', `/containers/${this.id}?force=true&v=true`)
  }

  #inspect(): Promise<Inspected> {
    return this.#api.do('GET', `/containers/${this.id}/json`)
  }
}

interface Inspected {
  readonly State: ContainerState
  readonly NetworkSettings: {
    readonly Ports: Readonly<Record<string, readonly { readonly HostPort: string }[] | null>>
  }
}
