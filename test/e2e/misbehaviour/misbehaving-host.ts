import { randomUUID } from 'node:crypto'
import { globSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { json, text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { INSTANCE_VARIABLE } from '../../../src/executors/instance-folder.ts'
import { killNow, listProcesses, wasGiven } from '../../../src/executors/proc.ts'
import { type CliHost, serve, temporaryFolder } from '../../helpers/cli.ts'
import { DockerApi } from '../../services/docker-api.ts'
import { testImage } from '../../services/images.ts'
import { podmanService } from '../../services/podman-service.ts'
import type { Misbehaviour, Place } from './matrix.ts'
import { servedFolder } from './served-folder.ts'

/** What a request was answered. */
export interface Outcome {
  readonly status: number
  /** JSON: what the function says, or the problem with its `code`. */
  readonly body: Readonly<Record<string, unknown>>
  /** For the report: what was measured beside. */
  readonly note?: string
}

/** What a function says of itself. */
export interface Health {
  /** Another for each instance. */
  readonly instance: string
  readonly openStreams: number
  readonly producedBytes: number
}

const CLI = resolve(import.meta.dirname, '../../../dist/cli.js')
const PATIENCE_MS = 15_000
/** What the host itself may open; more than enough, and little enough to be used up at once. */
const OPEN_FILES = 256
/** proc_pid_clear_refs(5): forgets the peak of the resident memory. */
const FORGET_PEAK = '5'

/**
 * A real host, whose functions misbehave beside a neighbour in its own process. It leads a process
 * group, so that everything of it can be ended, whatever it was made to start.
 */
export class MisbehavingHost implements AsyncDisposable {
  /** A value in its environment that is for nobody else. */
  readonly secret: string
  readonly #host: CliHost
  readonly #runFolder: string

  private constructor(host: CliHost, secret: string, runFolder: string) {
    this.#host = host
    this.secret = secret
    this.#runFolder = runFolder
  }

  static async start(
    place: Place,
    misbehaviours: readonly Misbehaviour[],
  ): Promise<MisbehavingHost> {
    const secret = randomUUID()
    const runFolder = await temporaryFolder()
    const limited = `ulimit -c 0; ulimit -n ${OPEN_FILES}; exec "$@"`
    const host = await serve([await servedFolder(place, misbehaviours)], {
      command: ['/bin/sh', '-c', limited, 'sh', process.execPath, CLI],
      env: {
        SECRET_OF_THE_HOST: secret,
        FEZZ_RUN_DIR: runFolder,
        FEZZ_IDLE_TTL: '2s',
        FEZZ_KILL_GRACE: '200ms',
        FEZZ_DRAIN_DELAY: '0s',
        FEZZ_DRAIN_TIMEOUT: '1s',
        FEZZ_UNLOAD_TIMEOUT: '2s',
        ...(place === 'container' && (await containerSettings())),
      },
    })
    return new MisbehavingHost(host, secret, runFolder)
  }

  get neighbourUrl(): string {
    return `http://127.0.0.1:${this.#host.port}/neighbour`
  }

  get port(): number {
    return this.#host.port
  }

  get pid(): number {
    return this.#host.child.pid as number
  }

  get isAlive(): boolean {
    const { exitCode, signalCode } = this.#host.child
    return exitCode === null && signalCode === null
  }

  get exited(): CliHost['exited'] {
    return this.#host.exited
  }

  /** Messages of the host's log about one function. */
  messagesOf(misbehaviour: Misbehaviour): string[] {
    const lines = this.#host.lines.filter(({ functionId }) => functionId === misbehaviour)
    return lines.map(({ msg }) => msg)
  }

  /** What went past its log, in characters. */
  get printed(): number {
    return this.#host.stderr.length
  }

  /** Has the function do what it is there for. @param query what it is told */
  misbehave(misbehaviour: Misbehaviour, query = ''): Promise<Outcome> {
    return this.ask(`/${misbehaviour}?${query}`)
  }

  /** The same, when nobody waits for the answer. */
  provoke(misbehaviour: Misbehaviour, query = ''): void {
    this.misbehave(misbehaviour, query).catch(() => {})
  }

  /** On a connection of its own. @throws when that is refused or cut */
  ask(path: string): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      request({ host: '127.0.0.1', port: this.port, path, agent: false }, response => {
        const { statusCode: status = 0, headers } = response
        const isJson = headers['content-type']?.includes('json')
        const body = isJson ? json(response) : text(response).then(text => ({ text }))
        body.then(body => resolve({ status, body: body as Outcome['body'] }), reject)
      })
        .on('error', reject)
        .end()
    })
  }

  /** How the function is, once it answers: after a death its next load may have to wait. */
  async healthOf(misbehaviour: Misbehaviour): Promise<Health> {
    for (const endMs = performance.now() + PATIENCE_MS; ; await sleep(50)) {
      const { status, body } = await this.ask(`/${misbehaviour}/fine`)
      if (status === 200) return body as unknown as Health
      if (performance.now() > endMs)
        throw new Error(`${misbehaviour} stays away: ${status} ${JSON.stringify(body)}`)
    }
  }

  /** Of all its functions. */
  async states(): Promise<readonly string[]> {
    return Object.values(await this.#host.states())
  }

  get residentBytes(): number {
    return this.#memory('VmRSS')
  }

  /** The most since {@link forgetPeak}. */
  get peakBytes(): number {
    return this.#memory('VmHWM')
  }

  forgetPeak(): void {
    writeFileSync(`/proc/${this.pid}/clear_refs`, FORGET_PEAK)
  }

  /** Files and sockets that it has open. */
  get descriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length
  }

  /** Processes of its group and their threads, without its own. */
  get tasksOfGroup(): number {
    const ofGroup = listProcesses().filter(({ pid, group }) => group === this.pid && pid !== group)
    return ofGroup.reduce((sum, { threads }) => sum + threads, 0)
  }

  /** Begins the marker of each of its instances in processes and sandboxes. */
  get run(): string {
    return readdirSync(this.#runFolder)[0] ?? 'none'
  }

  /** Names in its run folder: none when it has ended as it should. */
  get leftFiles(): readonly string[] {
    return readdirSync(this.#runFolder)
  }

  /** Its containers, whatever they do. */
  async containers(): Promise<readonly unknown[]> {
    const { socketPath } = await podmanService()
    const label = [`fezz.owner=${hostname()}:${this.#runFolder}`]
    const filters = encodeURIComponent(JSON.stringify({ label }))
    return new DockerApi(socketPath).do('GET', `/containers/json?all=true&filters=${filters}`)
  }

  /** Ends it as an operator would. */
  stop(): ReturnType<CliHost['stop']> {
    return this.#host.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Also when it has ended itself, for what it has left in its group.
    killNow(-this.pid)
    await this.#host[Symbol.asyncDispose]()
  }

  #memory(field: string): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8')
    return Number(new RegExp(`^${field}:\\s*(\\d+) kB$`, 'm').exec(status)?.[1]) * 1_024
  }
}

/** Processes of all instances of a run, with their threads. @param run see {@link MisbehavingHost.run} */
export function tasksOf(run: string): number {
  return listProcesses()
    .filter(({ pid }) => wasGiven(pid, `${INSTANCE_VARIABLE}=${run}-`))
    .reduce((sum, { threads }) => sum + threads, 0)
}

/** Control groups of a run, in either version's place. */
export function controlGroupsOf(run: string): string[] {
  return globSync([`/sys/fs/cgroup/*/fezz/${run}-*`, `/sys/fs/cgroup/fezz/${run}-*`])
}

async function containerSettings(): Promise<Record<string, string>> {
  const service = await podmanService()
  return {
    FEZZ_CONTAINER_ENGINE: service.endpoint,
    FEZZ_NODE_IMAGE: await testImage(service, 'node'),
  }
}
