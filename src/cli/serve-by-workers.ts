import cluster from 'node:cluster'
import { FezzError } from '../errors.ts'
import { mapStack } from '../loader/stack.ts'
import type { HostConfig } from '../runtime/config.ts'
import { Supervisor } from '../runtime/workers/supervisor.ts'
import { WorkerLink } from '../runtime/workers/worker-link.ts'
import { createLogger } from '../telemetry/logger.ts'

/**
 * `fezz serve` with several workers. The first process supervises; each that it starts runs the same
 * command, comes here too, and serves.
 *
 * @param serve serves in this process, as the worker that `link` says
 * @throws FezzError `INVALID_CONFIG`; what the first worker says why it cannot start
 */
export async function serveByWorkers(
  config: HostConfig,
  serve: (link: WorkerLink) => Promise<void>,
): Promise<void> {
  if (config.store !== undefined) throw workersAndStore()
  if (cluster.isPrimary) {
    const { logLevel: level, logFormat: format } = config
    await using supervisor = new Supervisor(config, createLogger({ level, format, mapStack }))
    await supervisor.run()
    return
  }
  await using link = new WorkerLink(config.stuckTimeoutMs)
  try {
    await serve(link)
  } catch (error) {
    // Said once, by the supervisor, however many workers find it.
    if (!link.fail(error)) throw error
  }
}

function workersAndStore(): FezzError {
  return new FezzError(
    'INVALID_CONFIG',
    'with a store a host is one process: leave out workers, and start a host for each core, with a port and a stateDir of its own; the store knows them as nodes',
  )
}
