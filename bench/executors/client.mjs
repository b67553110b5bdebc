import { connect } from 'node:net'
import { performance } from 'node:perf_hooks'

/** Requests on one kept connection, one at a time, at less cost than a client library's. */
export class Client {
  #port
  #socket
  #received = ''
  #waiting

  constructor(port) {
    this.#port = port
  }

  /**
   * GET `path`.
   * @returns milliseconds to the end of the answer
   * @throws when that is no 200, or the connection fails
   */
  ask(path) {
    const startedAt = performance.now()
    const { promise, resolve, reject } = Promise.withResolvers()
    this.#waiting = { resolve, reject, path, startedAt }
    this.#socket ??= this.#connect()
    this.#socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`)
    return promise
  }

  close() {
    this.#socket?.destroy()
  }

  #connect() {
    const socket = connect(this.#port, '127.0.0.1')
    socket.setNoDelay(true)
    socket.setEncoding('latin1')
    let error = new Error('the host closed the connection')
    socket.on('error', cause => {
      error = cause
    })
    socket.on('close', () => {
      this.#socket = undefined
      this.#received = ''
      this.#settle(waiting => waiting.reject(error))
    })
    socket.on('data', chunk => {
      this.#received += chunk
      if (isWhole(this.#received)) this.#answered()
    })
    return socket
  }

  #answered() {
    const endedAt = performance.now()
    const answer = this.#received
    this.#received = ''
    this.#settle(({ path, startedAt, resolve, reject }) => {
      if (answer.startsWith('HTTP/1.1 200 ')) return resolve(endedAt - startedAt)
      const [head, body] = answer.split('\r\n\r\n', 2)
      reject(new Error(`GET ${path}: ${head.slice(9, 12)} ${body.slice(0, 200)}`))
    })
  }

  #settle(how) {
    const waiting = this.#waiting
    this.#waiting = undefined
    if (waiting !== undefined) how(waiting)
  }
}

function isWhole(received) {
  const headEnd = received.indexOf('\r\n\r\n')
  if (headEnd === -1) return false
  const length = /\r\ncontent-length: (\d+)\r\n/i.exec(received.slice(0, headEnd + 2))
  if (length === null) return received.endsWith('0\r\n\r\n')
  return received.length >= headEnd + 4 + Number(length[1])
}
