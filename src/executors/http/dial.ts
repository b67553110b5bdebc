import { closeSync, constants, existsSync, fstatSync, lstatSync, openSync } from 'node:fs'
import { connect, Socket } from 'node:net'
import type { Clock, Timer } from '../../clock.ts'
import type { Address } from './address.ts'

/** Of open(2) on Linux; Node does not name it. */
const O_PATH = 0o10000000
const canPin = process.platform === 'linux' && existsSync('/proc/self/fd')
/** Steps of the wait for a place in the queue of a unix socket, and all of it. */
const FIRST_STEP_MS = 1
const LAST_STEP_MS = 50
const QUEUE_LIMIT_MS = 10_000

/** Told once of a connection that was made, or was not. */
export type Dialled = (
  ...outcome: [error: null, socket: Socket] | [error: Error, socket: null]
) => void

/**
 * Connects to `address`. The folder of a unix socket belongs to the program that serves there, which
 * may be a stranger's: a link in its place is not followed, for it could lead this host, and with it
 * the requests of anybody, to a socket that the program itself cannot reach, such as an engine's.
 *
 * @returns what gives up, and ends the connection
 */
export function dial(address: Address, clock: Clock, done: Dialled): { destroy(): void } {
  const startedMs = clock.now()
  let socket: Socket
  let timer: Timer | undefined
  const attempt = (stepMs: number): void => {
    socket = open(address)
    const onError = (error: NodeJS.ErrnoException): void => {
      // Its queue is full, in which a port would have us wait (connect(2)).
      if (error.code === 'EAGAIN' && clock.now() - startedMs < QUEUE_LIMIT_MS) {
        timer = clock.setTimer(() => attempt(Math.min(stepMs * 2, LAST_STEP_MS)), stepMs)
      } else {
        done(error, null)
      }
    }
    socket.once('error', onError)
    socket.once('connect', () => {
      socket.off('error', onError)
      done(null, socket)
    })
  }
  attempt(FIRST_STEP_MS)
  return {
    destroy() {
      timer?.cancel()
      socket.destroy()
    },
  }
}

function open(address: Address): Socket {
  if (!('socketPath' in address)) return connect({ ...address, noDelay: true })
  const socket = new Socket()
  try {
    connectUnlinked(socket, address.socketPath)
  } catch (error) {
    socket.destroy(error as Error)
  }
  return socket
}

function connectUnlinked(socket: Socket, path: string): void {
  if (!canPin) {
    refuseUnlessSocket(lstatSync(path).isSocket(), path)
    socket.connect(path)
    return
  }
  // What was looked at is what is connected to, whatever takes its place in between.
  const pin = openSync(path, O_PATH | constants.O_NOFOLLOW)
  try {
    refuseUnlessSocket(fstatSync(pin).isSocket(), path)
    // A socket without an IP address is connected within the call.
    socket.connect(`/proc/self/fd/${pin}`)
  } finally {
    closeSync(pin)
  }
}

function refuseUnlessSocket(isSocket: boolean, path: string): void {
  if (!isSocket) throw Object.assign(new Error(`${path} is no socket`), { code: 'ENOTSOCK' })
}
