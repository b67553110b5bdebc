import { Secret } from '../secret.ts'

/** Where a store is; nothing prints its password, and `label` has neither that nor a user. */
export type StoreAddress = EtcdAddress | ConsulAddress | FileAddress | MemoryAddress

interface CommonAddress {
  /** The address without credentials. */
  readonly label: string
  /** Stands before every key, with a `/` in between; `""` for none. */
  readonly prefix: string
}

export interface EtcdAddress extends CommonAddress {
  readonly kind: 'etcd'
  /** Members of one cluster: `http://10.0.0.1:2379`, or `https:`. */
  readonly endpoints: readonly string[]
  readonly user?: string
  readonly password?: Secret
}

interface ConsulAddress extends CommonAddress {
  readonly kind: 'consul'
  /** An agent: `http://127.0.0.1:8500`, or `https:`. */
  readonly endpoint: string
}

interface FileAddress extends CommonAddress {
  readonly kind: 'file'
  /** Absolute, or relative to the working folder. */
  readonly folder: string
}

interface MemoryAddress extends CommonAddress {
  readonly kind: 'memory'
}

const EXAMPLES =
  'write etcd://10.0.0.1:2379, consul://127.0.0.1:8500, file:///folder, file://./folder or memory:'

/**
 * Reads the address of a store:
 *
 * - `etcd://[user:password@]host[:port][,host[:port]...][/prefix]`, port 2379; `etcds:` with TLS
 * - `consul://host[:port][/prefix]`, port 8500; `consuls:` with TLS
 * - `file:///folder`, `file://./folder`
 * - `memory:`
 *
 * What means something in an address is written as `%` and two hex digits in names and passwords.
 *
 * @throws RangeError saying what is wrong; it never quotes a part that may be a password
 */
export function parseStoreUrl(text: string): StoreAddress {
  const scheme = /^[a-z]+(?=:)/i.exec(text.trim())?.[0].toLowerCase()
  const rest = text.trim().slice((scheme?.length ?? 0) + 1)
  switch (scheme) {
    case 'etcd':
    case 'etcds':
      return etcdAddress(scheme, rest)
    case 'consul':
    case 'consuls':
      return consulAddress(scheme, rest)
    case 'file':
      return fileAddress(rest)
    case 'memory':
      if (rest !== '' && rest !== '//') throw new RangeError('memory: has nothing after the colon')
      return Object.freeze({ kind: 'memory', prefix: '', label: 'memory:' })
    default:
      throw new RangeError(`the address of the store names no kind of store; ${EXAMPLES}`)
  }
}

function etcdAddress(scheme: 'etcd' | 'etcds', rest: string): EtcdAddress {
  const { credentials, hosts, prefix } = split(scheme, rest)
  const authorities = hosts.split(',').map(host => authorityOf(scheme, host, 2379))
  return Object.freeze({
    kind: 'etcd',
    endpoints: Object.freeze(authorities.map(authority => `${protocolOf(scheme)}//${authority}`)),
    ...(credentials !== undefined && userOf(scheme, credentials)),
    prefix,
    label: labelOf(scheme, authorities, prefix),
  })
}

function consulAddress(scheme: 'consul' | 'consuls', rest: string): ConsulAddress {
  const { credentials, hosts, prefix } = split(scheme, rest)
  if (credentials !== undefined) {
    throw new RangeError(
      `${scheme}: has a user or a token before "@"; give the token as a setting of its own`,
    )
  }
  if (hosts.includes(',')) {
    throw new RangeError(`${scheme}: names several hosts; name one, the agent of this machine`)
  }
  const authority = authorityOf(scheme, hosts, 8500)
  return Object.freeze({
    kind: 'consul',
    endpoint: `${protocolOf(scheme)}//${authority}`,
    prefix,
    label: labelOf(scheme, [authority], prefix),
  })
}

function fileAddress(rest: string): FileAddress {
  const path = /^\/\/(\/.*|\.{1,2}(?:\/.*)?)$/s.exec(rest)?.[1]
  if (path === undefined || path === '/') {
    throw new RangeError('file: names no folder; write file:///folder or file://./folder')
  }
  const folder = decoded('file', 'folder', path)
  return Object.freeze({ kind: 'file', folder, prefix: '', label: `file://${path}` })
}

/** The last "@" ends the credentials: one in a password is a mistake that must not be quoted. */
function split(scheme: string, rest: string) {
  if (!rest.startsWith('//')) {
    throw new RangeError(`${scheme}: has no "//" after the colon; write ${scheme}://host`)
  }
  const at = rest.lastIndexOf('@')
  const credentials = at === -1 ? undefined : rest.slice(2, at)
  const [hosts = '', ...path] = rest.slice(at === -1 ? 2 : at + 1).split('/')
  const prefix = decoded(scheme, 'prefix', path.join('/')).replace(/^\/+|\/+$/g, '')
  // Not quoted: it may be the end of a password whose host is missing.
  if (/[?#\s\0]/.test(hosts + prefix)) {
    throw new RangeError(
      `${scheme}: has a "?", a "#" or a space; give other settings by their own names`,
    )
  }
  if (prefix !== '' && /^\.{0,2}$/m.test(prefix.replaceAll('/', '\n'))) {
    throw new RangeError(`${scheme}: has an empty, "." or ".." part in its prefix; leave that out`)
  }
  return { credentials, hosts, prefix }
}

function userOf(scheme: string, credentials: string) {
  if (/[/?#@\s]/.test(credentials)) {
    throw new RangeError(
      `${scheme}: has "/", "?", "#", "@" or a space in user or password; percent-encode it, "/" is %2F`,
    )
  }
  const colon = credentials.indexOf(':')
  const user = decoded(scheme, 'user', colon === -1 ? credentials : credentials.slice(0, colon))
  if (user === '') throw new RangeError(`${scheme}: has an "@", but no user before it`)
  if (colon === -1) return { user }
  return { user, password: new Secret(decoded(scheme, 'password', credentials.slice(colon + 1))) }
}

/** @returns host and port; the port in its shortest form */
function authorityOf(scheme: string, text: string, defaultPort: number): string {
  const match = /^(\[[\da-f:.]+\]|[\w.-]+)?(?::(.*))?$/i.exec(text)
  const [, host, port = String(defaultPort)] = match ?? []
  if (match === null || host === undefined) {
    throw new RangeError(
      `${scheme}: has a host that is no name and no address; write ${scheme}://host:${defaultPort}`,
    )
  }
  // The port isn't quoted: in "user:password" without a host it is the password.
  if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535) {
    throw new RangeError(
      `${scheme}: has a port that is no number from 1 to 65535; write ${scheme}://host:${defaultPort}`,
    )
  }
  return `${host.toLowerCase()}:${Number(port)}`
}

function decoded(scheme: string, part: string, text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new RangeError(`${scheme}: has a "%" in its ${part} that is no escape; write %25 for it`)
  }
}

function protocolOf(scheme: string): 'http:' | 'https:' {
  return scheme.endsWith('s') ? 'https:' : 'http:'
}

function labelOf(scheme: string, authorities: readonly string[], prefix: string): string {
  return `${scheme}://${authorities.join(',')}${prefix && `/${prefix}`}`
}
