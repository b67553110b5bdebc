import { existsSync, readdirSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { listProcesses, wasGiven } from '../../../src/executors/proc.ts'
import { DockerApi } from '../../services/docker-api.ts'
import { testImage } from '../../services/images.ts'
import type { PodmanAddress } from '../../services/podman-service.ts'

const CGROUPS = '/sys/fs/cgroup'

/** Starts what leaves its session, then does not answer. */
const STAYING = `
  import { spawn } from 'node:child_process'

  const outlive = { stdio: 'ignore', detached: true }
  function stay() {
    spawn('sleep', ['1000'], outlive).unref()
    spawn('sh', ['-c', 'setsid sleep 1000 & exit'], outlive).unref()
  }
`
const SCRIPT = `
  ${STAYING}
  export const manifest = { path: '/process', executor: 'process' }
  export default () => {
    stay()
    return new Promise(() => {})
  }
`
const THREAD = `
  export const manifest = { path: '/thread', executor: 'thread' }
  export default () => new Promise(() => {})
`
const SERVER = `
  import { createServer } from 'node:http'
  ${STAYING}
  createServer(stay).listen(process.env.FEZZ_SOCKET)
`

/** Paths of functions that never answer, in every way that there is to run in a process or thread. */
export const UNANSWERED = ['/thread', '/process', '/server', '/bootstrap'] as const

/** What containers do when a host has been told to leave them in each of their states. */
export const CONTAINERS = { awake: 'running', paused: 'paused', stopped: 'exited' } as const

/** Writes functions that do what they can to outlive their host. */
export async function writeOutliving(folder: string): Promise<void> {
  await writeFile(join(folder, 'process.ts'), SCRIPT)
  await writeFile(join(folder, 'thread.ts'), THREAD)
  await program(folder, 'server', { command: [process.execPath, 'server.mjs'] })
  await writeFile(join(folder, 'server/server.mjs'), SERVER)
  const command = ['sh', '-c', 'setsid sleep 1000 & sleep 1000']
  await program(folder, 'bootstrap', { command, protocol: 'bootstrap' })
}

/** Writes functions whose containers are in those states once each has been asked. */
export async function writeContained(folder: string, service: PodmanAddress): Promise<void> {
  const image = await testImage(service, 'hello')
  await program(folder, 'awake', { image })
  await program(folder, 'paused', { image, idleTtl: '50ms', sleep: 'pause' })
  await program(folder, 'stopped', { image, idleTtl: '50ms', sleep: 'stop' })
}

async function program(folder: string, name: string, manifest: object): Promise<void> {
  await mkdir(join(folder, name))
  await writeFile(join(folder, name, 'fezz.json'), JSON.stringify(manifest))
}

/** What hosts have of the machine that share a temporary folder; the names of their run folders. */
export class Belongings {
  readonly #base: string
  readonly #service: PodmanAddress | undefined

  /** @param temporary their TMPDIR */
  constructor(temporary: string, service: PodmanAddress | undefined) {
    this.#base = join(temporary, `fezz-${process.getuid?.()}`)
    this.#service = service
  }

  runs(): string[] {
    return existsSync(this.#base) ? readdirSync(this.#base) : []
  }

  processes(run: string): number[] {
    const text = `FEZZ_INSTANCE=${run}-`
    return listProcesses().flatMap(({ pid }) => (wasGiven(pid, text) ? [pid] : []))
  }

  cgroups(run: string): string[] {
    const parents = readdirSync(CGROUPS).map(controller => join(CGROUPS, controller, 'fezz'))
    return [join(CGROUPS, 'fezz'), ...parents].flatMap(parent =>
      existsSync(parent) ? readdirSync(parent).filter(name => name.startsWith(run)) : [],
    )
  }

  /** Function and state of each container. */
  async containers(run: string): Promise<Record<string, string>> {
    if (this.#service === undefined) return {}
    const label = `fezz.run=${run.slice(0, run.lastIndexOf('-'))}`
    const filters = encodeURIComponent(JSON.stringify({ label: [label] }))
    const listed = await new DockerApi(this.#service.socketPath).do<
      readonly { readonly State: string; readonly Labels: Readonly<Record<string, string>> }[]
    >('GET', `/containers/json?all=true&filters=${filters}`)
    return Object.fromEntries(listed.map(({ State, Labels }) => [Labels['fezz.function'], State]))
  }

  /** All that there is of one host. */
  async of(run: string): Promise<object> {
    return {
      folders: this.runs().filter(name => name === run),
      processes: this.processes(run),
      cgroups: this.cgroups(run),
      containers: await this.containers(run),
    }
  }
}

/** {@link Belongings.of} of a host of which nothing is left. */
export const NOTHING = { folders: [], processes: [], cgroups: [], containers: {} }
