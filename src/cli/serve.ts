import { existsSync } from 'node:fs'
import { FezzError } from '../errors.ts'
import { Loader } from '../loader/loader.ts'
import { installStackMapping } from '../loader/stack.ts'
import { resolveConfig } from '../runtime/config.ts'
import { HostServer } from '../runtime/host-server.ts'
import type { WorkerLink } from '../runtime/workers/worker-link.ts'
import { standardOutput } from '../telemetry/destination.ts'
import { functionTable } from './function-table.ts'
import { ServedFiles, type ServeFailure } from './served-files.ts'
import { watchFiles } from './watch.ts'

export interface ServeOptions {
  readonly watch: boolean
  /** Settings given as flags, by name. */
  readonly flags: Readonly<Record<string, unknown>>
}

/** Where functions are looked for when nobody says where. */
const DEFAULT_FOLDERS = ['functions', 'examples']

/**
 * `fezz serve`: serves the functions of `paths`, or those of the store when the settings name one,
 * until a signal ends it; in this process, or in workers that it starts.
 *
 * @throws FezzError `INVALID_CONFIG`; `BUILD_FAILED` when there is nothing to serve
 */
export async function serve(paths: readonly string[], options: ServeOptions): Promise<void> {
  const config = resolveConfig({}, { env: process.env, flags: options.flags })
  if (config.workers === 1) return serveHere(paths, options)
  // Loaded here alone: one process does not pay for several.
  const { serveByWorkers } = await import('./serve-by-workers.ts')
  return serveByWorkers(config, link => serveHere(paths, options, link))
}

/** Serves in this process. @param link its supervisor, when it is a worker */
async function serveHere(
  paths: readonly string[],
  options: ServeOptions,
  link?: WorkerLink,
): Promise<void> {
  installStackMapping()
  const sources = { env: process.env, flags: options.flags }
  await using server = new HostServer({}, sources, link === undefined ? {} : { worker: link })
  link?.serve(server)
  using _guard = server.guard()
  const { config, log } = server
  if (config.store !== undefined) {
    if (paths.length > 0 || options.watch) throw filesAndStore()
    await server.run()
    return
  }
  const loader = new Loader({ cacheDir: config.cacheDir, log })
  const files = new ServedFiles(paths.length > 0 ? paths : defaultPaths(), loader, server)
  const failures = await files.refresh()
  const { functions } = server.host.deployments
  if (functions.size === 0 && !options.watch) throw nothingToServe(failures)
  files.log(failures)
  using _watcher = options.watch ? watchFiles(files, log) : undefined
  await server.listen()
  link?.ready()
  if (process.stdout.isTTY && (link === undefined || link.number === 1)) {
    standardOutput().flush()
    process.stdout.write(`\n${functionTable(functions.values())}\n\n`)
  }
  await server.run()
}

function filesAndStore(): FezzError {
  return new FezzError(
    'INVALID_CONFIG',
    'with a store there are no files to serve or to watch; put them into the store by fezz apply',
  )
}

function nothingToServe(failures: readonly ServeFailure[]): FezzError {
  const reasons = failures.map(({ error }) => (error as Error).message)
  return new FezzError('BUILD_FAILED', reasons.join('\n'))
}

function defaultPaths(): string[] {
  const folder = DEFAULT_FOLDERS.find(name => existsSync(name))
  if (folder !== undefined) return [folder]
  throw new FezzError(
    'INVALID_CONFIG',
    `nothing to serve: there is no folder ${DEFAULT_FOLDERS.join(' or ')} here; name a file or a folder, such as fezz serve hello.ts`,
  )
}
