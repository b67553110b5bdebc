import { unlink } from 'node:fs/promises'
import { type AddressInfo, createConnection, type Server } from 'node:net'
import type { TlsOptions } from 'node:tls'
import type { ListenerAddress, ListenerOptions, ListenerTls } from './listener.ts'

/**
 * Has `server` listen where `options` say. A Unix socket that its last owner has left behind is
 * replaced.
 *
 * @throws when the address is taken or not allowed
 */
export async function openPort(server: Server, options: ListenerOptions): Promise<ListenerAddress> {
  const { host, port, path, log } = options
  try {
    await listen(server, options)
  } catch (error) {
    const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
    if (!isTaken || path === undefined || !(await isLeftBehind(path))) throw error
    await unlink(path)
    await listen(server, options)
  }
  // Such as no file descriptors left for another connection: those that are open go on.
  server.on('error', err => log?.error({ err }, 'a connection was not accepted'))
  const address = path === undefined ? (server.address() as AddressInfo) : { port: 0 }
  return { host, port: address.port ?? port }
}

function listen(server: Server, { host, port, path }: ListenerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    const listening = (): void => {
      server.off('error', reject)
      resolve()
    }
    server.listen(path === undefined ? { host, port } : { path }, listening)
  })
}

/** Whether nobody listens on a Unix socket any more. */
function isLeftBehind(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = createConnection(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(false)
    })
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED'))
  })
}

/** What node:tls is to be told. */
export function tlsOptions({ cert, key, clientCa }: ListenerTls): TlsOptions {
  const own = { cert: Buffer.from(cert), key: Buffer.from(key) }
  // HTTP/1.1 is all there is behind it; a client that insists on another must hear so (RFC 7301).
  const common = { ...own, ALPNProtocols: ['http/1.1'], minVersion: 'TLSv1.2' as const }
  if (clientCa === undefined) return common
  return { ...common, ca: Buffer.from(clientCa), requestCert: true, rejectUnauthorized: true }
}
