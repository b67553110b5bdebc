import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll } from 'vitest'
import {
  ProcessExecutor,
  type ProcessExecutorOptions,
} from '../../../src/executors/process/process-executor.ts'
import { RunFolder } from '../../../src/executors/run-folder.ts'
import type {
  ArtifactCode,
  Deployment,
  FunctionContext,
  Instance,
  ProgramCode,
} from '../../../src/function/contract.ts'
import type { ManifestInput } from '../../../src/function/manifest.ts'
import { checkManifest } from '../../../src/function/manifest-schema.ts'
import { type IncomingRequest, toIncoming } from '../../../src/http/web/incoming-request.ts'
import { Loader } from '../../../src/loader/loader.ts'
import { createLogger } from '../../../src/telemetry/logger.ts'

const folders: string[] = []
afterAll(() => Promise.all(folders.map(folder => rm(folder, { recursive: true, force: true }))))

/** Path of an empty folder that is removed after the tests of the file. */
export function inNewFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'fezz-process-'))
  folders.push(folder)
  return folder
}

/** A program under test. */
export interface Program {
  /** Content by path within its folder; each is executable. */
  readonly files: Readonly<Record<string, string>>
  readonly command: readonly string[]
  readonly protocol?: ProgramCode['protocol']
  readonly reads?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export type LogLine = Readonly<Record<string, unknown>>

/** An executor with a run folder and a log of its own. */
export class ProcessWorld implements AsyncDisposable {
  readonly executor: ProcessExecutor
  readonly runFolder: RunFolder
  readonly lines: LogLine[]
  readonly #folder: string

  private constructor(
    folder: string,
    runFolder: RunFolder,
    options: Partial<ProcessExecutorOptions>,
  ) {
    const lines: LogLine[] = []
    this.lines = lines
    this.#folder = folder
    this.runFolder = runFolder
    this.executor = new ProcessExecutor({
      log: createLogger({
        level: 'debug',
        destination: { write: line => lines.push(JSON.parse(line)) },
      }),
      runFolder,
      warm: 0,
      killGraceMs: 300,
      stopGraceMs: 1_000,
      ...options,
    })
  }

  static async open(options: Partial<ProcessExecutorOptions> = {}): Promise<ProcessWorld> {
    const folder = mkdtempSync(join(tmpdir(), 'fezz-process-'))
    // Programs may belong to other users.
    chmodSync(folder, 0o755)
    const log = createLogger({ level: 'silent' })
    const runFolder = await RunFolder.open({ folder: join(folder, 'run'), log })
    return new ProcessWorld(folder, runFolder, options)
  }

  deployment(program: Program, declared: Partial<ManifestInput> = {}): Deployment {
    const { files, command, protocol = 'http', reads = [], env = {} } = program
    const folder = mkdtempSync(join(this.#folder, 'code-'))
    chmodSync(folder, 0o755)
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(join(folder, dirname(path)), { recursive: true })
      writeFileSync(join(folder, path), content, { mode: 0o755 })
    }
    const sha256 = createHash('sha256').update(JSON.stringify(program)).digest('hex')
    const code: ProgramCode = { kind: 'program', sha256, folder, command, protocol, env, reads }
    const manifest = checkManifest({ id: 'program', version: 'v1', ...declared }, 'program')
    return { manifest, code, env: { ...declared.env } }
  }

  load(program: Program, declared?: Partial<ManifestInput>): Promise<Instance> {
    return this.executor.load(this.deployment(program, declared))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.executor.close()
    await this.runFolder.close()
    await rm(this.#folder, { recursive: true, force: true })
  }
}

/** A module's default export, built as `fezz serve` builds a file. */
export async function artifactOf(source: string): Promise<ArtifactCode> {
  const folder = inNewFolder()
  const file = join(folder, 'function.ts')
  writeFileSync(file, source)
  const loader = new Loader({ cacheDir: folder, log: createLogger({ level: 'silent' }) })
  const { functions, errors } = await loader.load([file])
  const code = functions[0]?.code
  if (code?.kind !== 'artifact') throw new AggregateError(errors, 'the source cannot be built')
  return code
}

/** One call as the host makes it; what `fetch` throws becomes a rejection. */
export async function call(
  instance: Instance,
  target = '/',
  init: RequestInit = {},
): Promise<Response> {
  return send(instance, toIncoming(new Request(`http://localhost${target}`, init)))
}

/** {@link call} with a request that the test goes on to abort. */
export async function send(instance: Instance, request: IncomingRequest): Promise<Response> {
  const context: FunctionContext = {
    functionId: 'program',
    version: 'v1',
    env: {},
    log: createLogger({ level: 'silent' }),
    params: { name: 'value' },
    requestId: 'request-1',
    traceparent: undefined,
    clientAddress: '192.0.2.1',
    get signal() {
      return request.signal
    },
    waitUntil() {},
    passThroughOnException() {},
  }
  return instance.fetch(request, context)
}
