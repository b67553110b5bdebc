import type { Server, Socket } from 'node:net'

/**
 * The connections of a TLS server. It tells of one when its handshake is over, but its `close` waits
 * for the others too: a client that says nothing would hold up the end of the host.
 */
export class Handshakes {
  readonly #sockets = new Set<Socket>()

  /** @param server not listening yet */
  constructor(server: Server) {
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
  }

  /** Cuts every connection, whatever has become of its handshake. */
  destroy(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}
