import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'vitest'
import type { Executor } from '../../../src/executors/executor.ts'
import type { Code, Deployment, FunctionContext, Instance } from '../../../src/function/contract.ts'
import type { ManifestInput } from '../../../src/function/manifest.ts'
import { checkManifest } from '../../../src/function/manifest-schema.ts'
import { headerOf, IncomingRequest } from '../../../src/http/web/incoming-request.ts'
import { PlatformSource } from '../../../src/http/web/platform-source.ts'
import type { RequestSource } from '../../../src/http/web/source.ts'
import { createLogger, type Logger } from '../../../src/telemetry/logger.ts'
import type * as functions from '../executor-functions.ts'
import type { LackingTraits } from './traits.ts'

/** The name of a class in executor-functions.ts. */
export type FixtureName = keyof typeof functions

/** An executor under test. */
export interface ExecutorHarness {
  readonly executor: Executor
  /** The code of a fixture in a form that the executor takes. */
  codeOf(name: FixtureName): Code | Promise<Code>
  /** Removes what {@link codeOf} has made; the suite closes the executor itself. */
  close?(): Promise<void>
}

/** Makes the executor under test; all that it and its functions log goes to `log`. */
export type MakeHarness = (log: Logger) => ExecutorHarness | Promise<ExecutorHarness>

/** What a test declares of a function beside its code. */
export type Declared = Partial<ManifestInput>

/** A line of the host's log. */
export type LogLine = Readonly<Record<string, unknown>>

const CLIENT_ADDRESS = '192.0.2.1'

/** What each test of the suite has around its executor: new before each, nothing left after. */
export class ExecutorWorld {
  readonly #makeHarness: MakeHarness
  readonly #hasFiles: boolean
  #harness: ExecutorHarness | undefined
  #log: Logger = createLogger({ level: 'silent' })
  #lines: LogLine[] = []
  #folder = ''

  constructor(makeHarness: MakeHarness, lacking: LackingTraits) {
    this.#makeHarness = makeHarness
    this.#hasFiles = lacking.files === undefined
  }

  async open(): Promise<void> {
    const lines: LogLine[] = []
    const destination = { write: (line: string) => lines.push(JSON.parse(line)) }
    this.#lines = lines
    this.#log = createLogger({ level: 'debug', destination })
    this.#folder = mkdtempSync(join(tmpdir(), 'fezz-executor-'))
    this.#harness = await this.#makeHarness(this.#log)
  }

  async close(): Promise<void> {
    await this.#harness?.executor.close()
    await this.#harness?.close?.()
    rmSync(this.#folder, { recursive: true })
  }

  get executor(): Executor {
    return this.#current.executor
  }

  /** What the host's log has. */
  get lines(): readonly LogLine[] {
    return this.#lines
  }

  /** What the functions say that has happened to them, in order. */
  get journal(): string[] {
    if (!this.#hasFiles) return this.#lines.flatMap(({ journal }) => (journal as string) ?? [])
    const file = this.#journalFile
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []
  }

  /** What every function has in its environment. */
  get variables(): Readonly<Record<string, string>> {
    const journal = this.#hasFiles ? { JOURNAL: this.#journalFile } : {}
    return Object.freeze({ ...journal, GREETING: 'hi' })
  }

  async deployment(fixture: FixtureName, declared: Declared = {}): Promise<Deployment> {
    const env = Object.freeze({ ...this.variables, ...declared.env })
    const manifest = checkManifest({ id: 'fixture', version: 'v7', ...declared, env }, fixture)
    return { manifest, code: await this.#current.codeOf(fixture), env }
  }

  async load(fixture: FixtureName, declared: Declared = {}): Promise<Instance> {
    return this.executor.load(await this.deployment(fixture, declared))
  }

  /** One call as the host makes it; what `fetch` throws becomes a rejection. */
  async call(
    instance: Instance,
    target: string,
    init: RequestInit = {},
    more: Partial<FunctionContext> = {},
  ): Promise<Response> {
    return this.send(instance, requestOf(target, init), more)
  }

  /** {@link call} with a request that the test goes on to abort, or that no `init` can describe. */
  async send(
    instance: Instance,
    request: IncomingRequest,
    more: Partial<FunctionContext> = {},
  ): Promise<Response> {
    const requestId = more.requestId ?? 'request-1'
    const context: FunctionContext = {
      functionId: 'fixture',
      version: 'v7',
      env: this.variables,
      log: this.#log.child({ functionId: 'fixture', requestId }),
      params: { name: 'value' },
      requestId,
      traceparent: headerOf(request, 'traceparent'),
      clientAddress: CLIENT_ADDRESS,
      get signal() {
        return request.signal
      },
      waitUntil() {},
      passThroughOnException() {},
      ...more,
    }
    return instance.fetch(request, context)
  }

  get #journalFile(): string {
    return join(this.#folder, 'journal')
  }

  get #current(): ExecutorHarness {
    if (this.#harness === undefined) throw new Error('the world is not open')
    return this.#harness
  }
}

/** A request as a listener makes it. @param more what `init` has no words for: headers sent twice */
export function requestOf(
  target: string,
  init: RequestInit = {},
  more: Partial<RequestSource> = {},
): IncomingRequest {
  const request = new Request(`http://localhost${target}`, { duplex: 'half', ...init })
  const source = new PlatformSource(request)
  return new IncomingRequest(Object.assign(source, { clientAddress: CLIENT_ADDRESS }, more))
}

/** `expect` of a value that is not there yet: for as long as a busy machine may take. */
export function eventually<T>(look: () => T) {
  return expect.poll(look, { timeout: 10_000, interval: 20 })
}

const LOOK_MS = 50
const QUIET_LOOKS = 6

/** The value of `look` once it has changed at least once, and then stays what it is for a while. */
export async function settledValue(look: () => number | Promise<number>): Promise<number> {
  let value = await look()
  for (let quiet = 0; quiet < QUIET_LOOKS; quiet++) {
    await delay(LOOK_MS)
    const next = await look()
    if (next !== value || value === 0) quiet = -1
    value = next
  }
  return value
}
