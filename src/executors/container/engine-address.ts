import { accessSync, constants, existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { FezzError } from '../../errors.ts'

/** Where the Docker API is spoken. */
export type EngineAddress =
  | { readonly socketPath: string }
  | { readonly host: string; readonly port: number }
  /** The variable `DOCKER_HOST` says it, with `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH`. */
  | 'environment'

/**
 * Where an engine is to be expected when nobody says it: at `DOCKER_HOST`, else the first socket
 * of Docker's and podman's that this user may open, else the first that is there, else Docker's.
 *
 * @param mayOpen whether a socket is there and may be connected to
 */
export function findEngine(
  env: Readonly<Record<string, string | undefined>>,
  mayOpen: (path: string) => boolean = isWritable,
): EngineAddress {
  if (env['DOCKER_HOST']) return 'environment'
  const runtime = env['XDG_RUNTIME_DIR']
  const docker = '/var/run/docker.sock'
  const sockets = [
    docker,
    join(homedir(), '.docker/run/docker.sock'),
    '/run/podman/podman.sock',
    ...(runtime === undefined ? [] : [join(runtime, 'podman/podman.sock')]),
  ]
  // Docker's own is closed to most users, who may have podman without root beside it.
  const found = sockets.find(mayOpen) ?? sockets.find(path => existsSync(path))
  return { socketPath: found ?? docker }
}

/** What it takes to connect to a socket, unix(7). */
function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}

/**
 * An engine's address as people write it: `unix:///run/podman/podman.sock`, the path alone, or
 * `tcp://127.0.0.1:2375`.
 *
 * @throws FezzError `INVALID_CONFIG`
 */
export function parseEngineAddress(text: string): EngineAddress {
  if (text.startsWith('/')) return { socketPath: text }
  const url = URL.parse(text)
  if (url?.protocol === 'unix:' && url.pathname !== '') return { socketPath: url.pathname }
  if (url?.protocol === 'tcp:' && url.hostname !== '' && url.port !== '') {
    return { host: url.hostname, port: Number(url.port) }
  }
  throw new FezzError(
    'INVALID_CONFIG',
    `containerEngine "${text}" is not an address; write one such as unix:///var/run/docker.sock or tcp://127.0.0.1:2375`,
  )
}

/** `address` for a message. */
export function describeEngine(address: EngineAddress): string {
  if (address === 'environment') return 'DOCKER_HOST'
  return 'socketPath' in address ? address.socketPath : `${address.host}:${address.port}`
}
