import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  ContainerExecutor,
  type ContainerExecutorOptions,
} from '../../../src/executors/container/container-executor.ts'
import { RunFolder } from '../../../src/executors/run-folder.ts'
import type { Deployment } from '../../../src/function/contract.ts'
import type { ManifestInput } from '../../../src/function/manifest.ts'
import { checkManifest } from '../../../src/function/manifest-schema.ts'
import { createLogger } from '../../../src/telemetry/logger.ts'
import { DockerApi } from '../../services/docker-api.ts'
import { testImage } from '../../services/images.ts'
import { podmanService } from '../../services/podman-service.ts'

/** A container as the Docker API lists it, as far as the tests read it. */
export interface Listed {
  readonly Id: string
  readonly State: string
  readonly Labels: Readonly<Record<string, string>>
}

let owners = 0

/** An executor with a name and a run folder of its own, over the podman of this test run. */
export class Containers implements AsyncDisposable {
  readonly executor: ContainerExecutor
  readonly owner: string
  readonly socketPath: string
  /** What the host's log has. */
  readonly lines: Readonly<Record<string, unknown>>[]
  readonly runFolder: RunFolder
  readonly #base: string
  /** Name of the image; see `testImage`. */
  readonly image: string

  private constructor(
    socketPath: string,
    image: string,
    runFolder: RunFolder,
    base: string,
    options: Partial<ContainerExecutorOptions>,
  ) {
    const lines: Record<string, unknown>[] = []
    const destination = { write: (line: string) => void lines.push(JSON.parse(line)) }
    this.lines = lines
    this.socketPath = socketPath
    this.image = image
    this.runFolder = runFolder
    this.#base = base
    this.owner = options.owner ?? ownName()
    this.executor = new ContainerExecutor({
      log: createLogger({ level: 'debug', destination }),
      runFolder,
      owner: this.owner,
      engine: { socketPath },
      stopGraceMs: 2_000,
      ...options,
    })
  }

  static async open(options: Partial<ContainerExecutorOptions> = {}): Promise<Containers> {
    const service = await podmanService()
    const image = await testImage(service, 'hello')
    const base = mkdtempSync(join(tmpdir(), 'fezz-c-'))
    const log = options.log ?? createLogger({ level: 'silent' })
    const runFolder = await RunFolder.open({ folder: base, log })
    return new Containers(service.socketPath, image, runFolder, base, options)
  }

  get api(): DockerApi {
    return new DockerApi(this.socketPath)
  }

  /** Its containers, whatever they do. */
  list(owner = this.owner): Promise<Listed[]> {
    const filters = JSON.stringify({ label: [`fezz.owner=${owner}`] })
    return this.api.do('GET', `/containers/json?all=true&filters=${encodeURIComponent(filters)}`)
  }

  /** What is logged of it: the messages, in order. */
  get messages(): readonly unknown[] {
    return this.lines.map(({ msg }) => msg)
  }

  /** A function that is the image `hello`; its routes are listed in images/hello/main.go. */
  function(declared: Partial<ManifestInput> = {}, image: string = this.image): Deployment {
    const env = Object.freeze({ GREETING: 'hi', ...declared.env })
    const manifest = checkManifest({ id: 'hello', version: 'v7', image, ...declared, env }, 'hello')
    return { manifest, code: { kind: 'image', image }, env }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.executor.close()
    await this.runFolder.close()
    await rm(this.#base, { recursive: true, force: true })
  }
}

/** A name that nobody else has: what dead hosts of that name left behind is removed. */
export function ownName(): string {
  return `test-${process.pid}-${++owners}`
}
