import type { Store } from '../../control-plane/store.ts'
import { type HostConfig, resolveConfig } from '../../runtime/config.ts'
import { openConfiguredStore } from '../../runtime/configured-store.ts'
import { createLogger, type Logger } from '../../telemetry/logger.ts'

/** What every command on the store has. */
export interface Session {
  readonly config: HostConfig
  readonly store: Store
  readonly log: Logger
  /** Writes a line for the person, or the program, that called. */
  print(text: string): void
}

/**
 * Runs a command on the store that the settings name.
 *
 * @param flags settings given as flags, by name
 * @throws FezzError `INVALID_CONFIG`, `STORE_UNAVAILABLE`, and what the command throws
 */
export async function withStore(
  flags: Readonly<Record<string, unknown>>,
  command: (session: Session) => Promise<void>,
): Promise<void> {
  const config = resolveConfig({}, { env: process.env, flags })
  // Standard output is for the answer alone.
  const log = createLogger({
    level: config.logLevel === 'info' ? 'error' : config.logLevel,
    format: config.logFormat,
    destination: { write: line => process.stderr.write(line) },
  })
  await using store = await openConfiguredStore(config, log)
  await command({ config, store, log, print: text => process.stdout.write(`${text}\n`) })
}
