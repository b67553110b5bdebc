import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { binary } from './binary.ts'
import { npm } from './packages.ts'

/** The npm packages that hold the program itself. */
const PACKAGES: Readonly<Record<string, string>> = {
  'darwin-arm64': '@cloudflare/workerd-darwin-arm64',
  'darwin-x64': '@cloudflare/workerd-darwin-64',
  'linux-arm64': '@cloudflare/workerd-linux-arm64',
  'linux-x64': '@cloudflare/workerd-linux-64',
}

/** The Workers runtime, in the version that bench/package.json pins. */
export async function workerd(): Promise<string | undefined> {
  const bench = resolve('bench')
  const { optionalDependencies } = JSON.parse(await readFile(join(bench, 'package.json'), 'utf8'))
  // Not a name of ours: the host refuses to start with a FEZZ_* variable that it does not know.
  const source = { env: 'WORKERD_BIN' }
  const name = PACKAGES[`${process.platform}-${process.arch}`]
  if (name === undefined) return binary('workerd', source)
  return binary('workerd', {
    ...source,
    files: [join(bench, 'node_modules', name, 'bin/workerd')],
    packages: [npm(name, optionalDependencies.workerd, 'bin/workerd')],
  })
}

const CONFIG = `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "worker", worker = .worker)],
  sockets = [(name = "http", http = (), service = "worker")]
);

const worker :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.mjs")],
  compatibilityDate = "2026-11-01",
);
`

/** A running workerd that serves one Workers module. */
export class WorkerdServer implements AsyncDisposable {
  readonly port: number
  readonly #child: ChildProcess
  readonly #folder: string

  private constructor(child: ChildProcess, folder: string, port: number) {
    this.#child = child
    this.#folder = folder
    this.port = port
  }

  /**
   * @param program see {@link workerd}
   * @param code of an ES module that imports nothing
   * @throws with what workerd says when it does not start
   */
  static async start(program: string, code: string): Promise<WorkerdServer> {
    const folder = await mkdtemp(join(tmpdir(), 'fezz-workerd-'))
    const config = join(folder, 'config.capnp')
    await writeFile(join(folder, 'worker.mjs'), code)
    await writeFile(config, CONFIG)
    const args = ['serve', config, '--socket-addr=http=127.0.0.1:0', '--control-fd=3']
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe', 'pipe'] })
    try {
      await once(child, 'spawn')
      return new WorkerdServer(child, folder, await portOf(child))
    } catch (error) {
      await end(child, folder)
      throw error
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return end(this.#child, this.#folder)
  }
}

/** workerd reports on its control descriptor, in lines of JSON, where it listens. */
async function portOf(child: ChildProcess): Promise<number> {
  let said = ''
  child.stderr?.on('data', chunk => {
    said += chunk
  })
  for await (const line of createInterface({ input: child.stdio[3] as Readable })) {
    const { event, port } = JSON.parse(line) as { event: string; port: number }
    if (event === 'listen') return port
  }
  throw new Error(`workerd did not start: ${said}`)
}

async function end(child: ChildProcess, folder: string): Promise<void> {
  if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  await rm(folder, { recursive: true, force: true })
}
