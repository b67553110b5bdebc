import { join } from 'node:path'
import { type CliHost, serve } from '../../helpers/cli.ts'
import { type ListenerName, listenerEnvironment } from '../../helpers/listeners.ts'

const FUNCTION = join(import.meta.dirname, 'functions/mirror.ts')

/** What the host's only function has seen since the start. */
export interface Ledger {
  /** Connections to the host. */
  readonly connections: number
  /** Of all requests, in the order in which they came. */
  readonly nonces: readonly string[]
}

/** Starts a host with the function that shows what has come. */
export function serveMirror(listener: ListenerName): Promise<CliHost> {
  const env = { FEZZ_LOG_LEVEL: 'info', ...listenerEnvironment(listener) }
  return serve([FUNCTION], { env })
}

export async function ledgerOf(host: CliHost): Promise<Ledger> {
  return JSON.parse(await host.get('/ledger')) as Ledger
}

/** The sum of those of its metrics whose names and labels match. */
export async function sumOf(host: CliHost, sample: RegExp): Promise<number> {
  const lines = (await host.get('/_metrics')).split('\n').filter(line => sample.test(line))
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}
