import { readFileSync } from 'node:fs'
import { FezzError } from '../errors.ts'
import { EngineListener } from '../http/engine/engine-listener.ts'
import type { Listener, ListenerAddress, ListenerOptions, ListenerTls } from '../http/listener.ts'
import { NodeListener } from '../http/node/node-listener.ts'
import type { HostConfig } from './config.ts'
import { unreadablePem } from './pem.ts'

/** What a host adds to its settings. */
type Hooks = Pick<ListenerOptions, 'fetch' | 'log' | 'onRejected'>

/**
 * The listener that `listener` names.
 *
 * @throws FezzError `INVALID_CONFIG` for certificates that cannot be read or do not belong together,
 *   and for a Unix socket where a port is needed
 */
export function hostListener(config: HostConfig, hooks: Hooks): Listener {
  if (config.unixSocket !== '' && config.store !== undefined) {
    throw invalid('setting "unixSocket" does not go with "store": others find a host by its port')
  }
  const tls = tlsOf(config)
  const path = config.unixSocket === '' ? undefined : config.unixSocket
  const options = { ...config, ...hooks, path, tls }
  try {
    return config.listener === 'engine' ? new EngineListener(options) : new NodeListener(options)
  } catch (cause) {
    if (cause instanceof FezzError || tls === undefined) throw cause
    const { message } = cause as Error
    throw invalid(`tlsCert ${config.tlsCert} with tlsKey ${config.tlsKey}: ${message}`, cause)
  }
}

/** Where the listener of `config` is found, once it has said where it listens. */
export function urlOf(config: HostConfig, { host, port }: ListenerAddress): string {
  const scheme = config.tlsCert === '' ? 'http' : 'https'
  return config.unixSocket === ''
    ? `${scheme}://${host}:${port}`
    : `${scheme}+unix:${config.unixSocket}`
}

function tlsOf({ tlsCert, tlsKey, tlsClientCa }: HostConfig): ListenerTls | undefined {
  if (tlsCert === '' && tlsKey === '' && tlsClientCa === '') return undefined
  if (tlsCert === '' || tlsKey === '') {
    throw invalid('setting "tlsCert" needs "tlsKey", and "tlsClientCa" both; set them together')
  }
  return {
    cert: readPem('tlsCert', tlsCert),
    key: readPem('tlsKey', tlsKey),
    ...(tlsClientCa !== '' && { clientCa: readPem('tlsClientCa', tlsClientCa) }),
  }
}

function readPem(setting: string, file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw unreadablePem(setting, file, cause)
  }
}

function invalid(message: string, cause?: unknown): FezzError {
  return new FezzError('INVALID_CONFIG', message, { cause })
}
