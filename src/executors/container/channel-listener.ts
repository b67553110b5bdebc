import { once } from 'node:events'
import { chmod } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import type { ToHost, ToRunner } from '../channel/messages.ts'
import { SocketChannel } from '../channel/socket-channel.ts'

/** Waits for the one runner that connects to a unix socket, to be its channel. */
export class ChannelListener {
  /** Settles when the runner has come; never, when it does not. */
  readonly channel: Promise<SocketChannel<ToRunner, ToHost>>
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
    this.channel = new Promise(resolve => {
      server.once('connection', (socket: Socket) => {
        // Nobody else is to be taken for it.
        server.close()
        resolve(new SocketChannel<ToRunner, ToHost>(socket))
      })
    })
  }

  static async open(path: string): Promise<ChannelListener> {
    const server = createServer()
    const listener = new ChannelListener(server)
    // Exclusive: a worker of node:cluster would else have its supervisor listen.
    server.listen({ path, exclusive: true })
    await once(server, 'listening')
    // Whoever the runner is in its container; the folder around it lets nobody else in.
    await chmod(path, 0o777)
    return listener
  }

  /** Ends the wait; a channel that was made stays. Idempotent. */
  close(): void {
    this.#server.close()
  }
}
