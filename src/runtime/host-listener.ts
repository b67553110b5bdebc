import { readFileSync } from 'node:fs'
import { FezzError } from '../errors.ts'
import { EngineListener } from '../http/engine/engine-listener.ts'
import type { Listener, ListenerOptions, ListenerTls } from '../http/listener.ts'
import { NodeListener } from '../http/node/node-listener.ts'
import type { HostConfig } from './config.ts'

/** What a host adds to its settings. */
type Hooks = Pick<ListenerOptions, 'fetch' | 'log' | 'onRejected'>

/**
 * The listener that `listener` names.
 *
 * @throws FezzError `INVALID_CONFIG` for certificates that cannot be read or do not belong together
 */
export function hostListener(config: HostConfig, hooks: Hooks): Listener {
  const options = { ...config, ...hooks, path: config.unixSocket, tls: tlsOf(config) }
  try {
    return config.listener === 'engine' ? new EngineListener(options) : new NodeListener(options)
  } catch (cause) {
    if (cause instanceof FezzError || options.tls === undefined) throw cause
    throw new FezzError(
      'INVALID_CONFIG',
      `tlsCert ${config.tlsCert} and tlsKey ${config.tlsKey}: ${(cause as Error).message}`,
      { cause },
    )
  }
}

function tlsOf({ tlsCert, tlsKey, tlsClientCa }: HostConfig): ListenerTls | undefined {
  if (tlsCert === undefined && tlsKey === undefined) {
    if (tlsClientCa === undefined) return undefined
    throw new FezzError('INVALID_CONFIG', 'tlsClientCa needs tlsCert and tlsKey; set them too')
  }
  if (tlsCert === undefined) throw missing('tlsKey', 'tlsCert')
  if (tlsKey === undefined) throw missing('tlsCert', 'tlsKey')
  return {
    cert: read('tlsCert', tlsCert),
    key: read('tlsKey', tlsKey),
    clientCa: tlsClientCa === undefined ? undefined : read('tlsClientCa', tlsClientCa),
  }
}

function missing(given: string, wanted: string): FezzError {
  return new FezzError('INVALID_CONFIG', `${given} needs ${wanted}; set both or none`)
}

function read(setting: string, file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (cause) {
    const { message } = cause as Error
    throw new FezzError('INVALID_CONFIG', `${setting}: ${message}`, { cause })
  }
}
