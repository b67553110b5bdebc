import { connect, type Socket } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'

// The thread of normal-clients.ts.

/** What became of the requests since the last look. */
export interface Asked {
  /** One for each answer, in milliseconds since it was due: who had to wait for a turn has waited. */
  readonly waitedMs: readonly number[]
  /** Those whose answer was none, or not 200. */
  readonly failed: readonly string[]
}

const { port, clients, everyMs } = workerData as { port: number; clients: number; everyMs: number }
const REQUEST = 'GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n'
const ANSWER = /^HTTP\/1\.1 200 [\s\S]*\r\n\r\nhello$/
const TIMEOUT_MS = 10_000
let waitedMs: number[] = []
let failed: string[] = []

/** One kept connection, with one request at a time. */
class Client {
  #socket: Socket | undefined
  #received = ''
  #sinceMs = 0
  #dueMs: number

  constructor(startMs: number) {
    this.#dueMs = startMs
  }

  /** Sends what is due, unless an answer is still to come. */
  turn(nowMs: number): void {
    if (this.#sinceMs > 0 && nowMs - this.#sinceMs > TIMEOUT_MS) this.#fail('no answer')
    if (this.#sinceMs > 0 || nowMs < this.#dueMs) return
    this.#sinceMs = this.#dueMs
    this.#dueMs += everyMs
    this.#socket ??= this.#open()
    this.#socket.write(REQUEST)
  }

  #open(): Socket {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    socket.on('data', chunk => this.#take(chunk.toString('latin1')))
    socket.on('error', error => this.#lose(socket, error.message))
    socket.on('close', () => this.#lose(socket, 'closed'))
    return socket
  }

  #take(text: string): void {
    this.#received += text
    if (!this.#received.endsWith('hello')) return
    const isRight = ANSWER.test(this.#received)
    const waited = performance.now() - this.#sinceMs
    if (!isRight) {
      this.#fail(this.#received)
      return
    }
    waitedMs.push(waited)
    this.#sinceMs = 0
    this.#received = ''
    this.turn(performance.now())
  }

  #lose(socket: Socket, why: string): void {
    if (socket === this.#socket) this.#fail(why)
  }

  #fail(why: string): void {
    const socket = this.#socket
    this.#socket = undefined
    socket?.destroy()
    failed.push(why)
    this.#sinceMs = 0
    this.#received = ''
  }
}

const startMs = performance.now()
const all = Array.from({ length: clients }, (_, i) => new Client(startMs + (i * everyMs) / clients))
setInterval(() => {
  for (const client of all) client.turn(performance.now())
}, 2)

parentPort?.on('message', () => {
  parentPort?.postMessage({ waitedMs, failed } satisfies Asked)
  waitedMs = []
  failed = []
})
