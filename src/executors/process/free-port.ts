import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'

/**
 * A port of 127.0.0.1 that nobody listens on at the moment. Somebody else may be faster than who
 * gets it: whoever uses it must be ready to ask for another.
 */
export async function freePort(): Promise<number> {
  const server = createServer()
  // Exclusive: a worker of node:cluster would else ask its supervisor for the port.
  server.listen({ port: 0, host: '127.0.0.1', exclusive: true })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
