import { resolve } from 'node:path'
import { FezzError } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import { prefixed } from './prefixed-store.ts'
import type { Store } from './store.ts'
import type { StoreAddress } from './store-url.ts'

export interface OpenStoreOptions {
  /** Of etcd; it wins over the address. */
  readonly user?: string
  /** Of etcd; it wins over the address. */
  readonly password?: string
  /** Of Consul. */
  readonly token?: string
  /** PEM: whom TLS trusts. Default: the authorities of the machine. */
  readonly ca?: Buffer
  /** PEM: the certificate of this client. */
  readonly cert?: Buffer
  /** PEM: the private key of {@link cert}. */
  readonly key?: Buffer
  /** Time for each call, in milliseconds. */
  readonly timeoutMs?: number
  readonly log: Logger
}

/**
 * Opens the store at `address`; whoever gets it closes it. Its client is loaded only now, and a
 * store that does not answer is found out by the first call.
 *
 * @throws FezzError `INVALID_CONFIG` when the options don't go with the address or with each other
 */
export async function openStore(address: StoreAddress, options: OpenStoreOptions): Promise<Store> {
  checkOptions(address, options)
  return prefixed(await openWhole(address, options), address.prefix)
}

async function openWhole(address: StoreAddress, options: OpenStoreOptions): Promise<Store> {
  const { log, token, timeoutMs } = options
  const common = { log, ...(timeoutMs !== undefined && { timeoutMs }) }
  switch (address.kind) {
    case 'etcd': {
      const { EtcdStore } = await import('./etcd/etcd-store.ts')
      const { endpoints } = address
      const user = options.user ?? address.user
      const password = options.password ?? address.password?.reveal()
      return new EtcdStore({
        ...common,
        endpoints,
        ...(user !== undefined && { user }),
        ...(password !== undefined && { password }),
        ...tlsOf(options),
      })
    }
    case 'consul': {
      const { ConsulStore } = await import('./consul/consul-store.ts')
      const { endpoint } = address
      return new ConsulStore({
        ...common,
        endpoint,
        ...(token !== undefined && { token }),
        ...tlsOf(options),
      })
    }
    case 'file': {
      const { FileStore } = await import('./file/file-store.ts')
      return new FileStore({ log, folder: resolve(address.folder) })
    }
    case 'memory': {
      const { MemoryStore } = await import('./memory/memory-store.ts')
      return new MemoryStore()
    }
  }
}

/** What would go unused is refused: whoever names a certificate counts on TLS. */
function checkOptions(address: StoreAddress, options: OpenStoreOptions): void {
  const { kind, label } = address
  const { ca, cert, key, token } = options
  const refuse = (problem: string): never => {
    throw new FezzError('INVALID_CONFIG', `store ${label} ${problem}`)
  }
  const hasTls = /^(?:etcds|consuls):/.test(label)
  if ((ca ?? cert ?? key) !== undefined && !hasTls) {
    const advice = kind === 'etcd' || kind === 'consul' ? `write ${kind}s://` : 'leave them out'
    refuse(`has no TLS, but is given certificates or a key; ${advice}`)
  }
  if ((cert === undefined) !== (key === undefined)) {
    refuse('is given a certificate or a private key alone; give both')
  }
  const user = kind === 'etcd' ? (options.user ?? address.user) : options.user
  if (kind !== 'etcd' && user !== undefined) refuse('has no users; leave the user out')
  if (user === undefined && options.password !== undefined) {
    refuse('is given a password without a user; give both')
  }
  if (kind !== 'consul' && token !== undefined) refuse('knows no token; leave it out')
}

function tlsOf({ ca, cert, key }: OpenStoreOptions) {
  const tls = {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  }
  return Object.keys(tls).length > 0 ? { tls } : {}
}
