import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** A client that sends exactly the bytes it is told to, and shows exactly what comes back. */
export class RawClient {
  readonly socket: Socket
  /** All that was received, one character per byte. */
  received = ''
  isClosed = false
  readonly #changed = new Set<() => void>()

  constructor(socket: Socket) {
    this.socket = socket
    const notify = () => {
      for (const listener of this.#changed) listener()
    }
    socket.on('data', chunk => {
      this.received += chunk.toString('latin1')
      notify()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.isClosed = true
      notify()
    })
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true })
    await once(socket, 'connect')
    return new RawClient(socket)
  }

  /** @param data text is sent as Latin-1 */
  send(data: string | Uint8Array): this {
    this.socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data)
    return this
  }

  /** Resolves with all that was received once `condition` holds; rejects when it cannot any more. */
  until(condition: (received: string) => boolean): Promise<string> {
    return new Promise((resolve, reject) => {
      const check = () => {
        if (condition(this.received)) {
          this.#changed.delete(check)
          resolve(this.received)
        } else if (this.isClosed) {
          this.#changed.delete(check)
          reject(new Error(`Closed after ${JSON.stringify(this.received)}`))
        }
      }
      this.#changed.add(check)
      check()
    })
  }

  /** Resolves with all that was received once it holds `text`. */
  untilReceived(text: string): Promise<string> {
    return this.until(received => received.includes(text))
  }

  /** Resolves with all that was received once the connection is closed. */
  async untilClosed(): Promise<string> {
    if (!this.isClosed) await new Promise(resolve => this.socket.once('close', resolve))
    return this.received
  }

  destroy(): void {
    this.socket.destroy()
  }
}

/** Status codes of all responses in `received`, provisional ones included. */
export function statusesIn(received: string): number[] {
  return [...received.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(match => Number(match[1]))
}
