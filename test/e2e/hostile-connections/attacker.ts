import { connect, type Socket } from 'node:net'
import { statusesIn } from '../../http/raw-client.ts'

/** Of what comes back, so much is looked at. */
const SHOWN_LENGTH = 4_096

/** One hostile connection. It keeps its own side open for as long as it can. */
export class Attacker {
  readonly socket: Socket
  #shown = ''
  #end: 'open' | 'ended' | 'reset' = 'open'
  readonly #timers = new Set<NodeJS.Timeout>()

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
    this.socket.on('data', chunk => {
      if (this.#shown.length < SHOWN_LENGTH) this.#shown += chunk.toString('latin1')
    })
    this.socket.on('end', () => {
      if (this.#end === 'open') this.#end = 'ended'
    })
    this.socket.on('error', () => {
      this.#end = 'reset'
    })
    this.socket.on('close', () => this.#stop())
  }

  send(data: string): this {
    this.socket.write(data, 'latin1')
    return this
  }

  /** Does something again and again while the connection is open. */
  every(intervalMs: number, act: () => void): this {
    this.#timers.add(setInterval(act, intervalMs))
    return this
  }

  /** Sends as much of it as the host takes. */
  flood(piece: string): this {
    const bytes = Buffer.from(piece, 'latin1')
    const more = () => {
      while (this.socket.writable && this.socket.write(bytes));
    }
    this.socket.on('drain', more)
    more()
    return this
  }

  /** Whether somebody has ended it. */
  get isOver(): boolean {
    return this.#end !== 'open' || this.socket.destroyed
  }

  /** What came back and how it ended: `200 408 ended`. */
  get outcome(): string {
    return [...new Set(statusesIn(this.#shown)), this.#end].join(' ')
  }

  /** Lets go of it. */
  destroy(): void {
    this.#stop()
    this.socket.destroy()
  }

  #stop(): void {
    for (const timer of this.#timers) clearInterval(timer)
    this.#timers.clear()
  }
}
