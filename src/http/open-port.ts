import type { AddressInfo, Server } from 'node:net'
import type { TlsOptions } from 'node:tls'
import type { ListenerAddress, ListenerOptions, ListenerTls } from './listener.ts'

/** Has `server` listen where `options` say. @throws when the address is taken or not allowed */
export function openPort(server: Server, options: ListenerOptions): Promise<ListenerAddress> {
  const { host, port, path, log } = options
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    const listening = (): void => {
      server.off('error', reject)
      // Such as no file descriptors left for another connection: those that are open go on.
      server.on('error', err => log?.error({ err }, 'a connection was not accepted'))
      resolve({ host, port: path === undefined ? (server.address() as AddressInfo).port : 0 })
    }
    if (path === undefined) server.listen({ host, port }, listening)
    else server.listen({ path }, listening)
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
