import type { Channel } from './channel.ts'

/** A channel to a process: that its socket was reset tells no more than that the process has ended. */
export function untilReset<Sent, Received>(
  channel: Channel<Sent, Received>,
): Channel<Sent, Received> {
  return {
    send: message => channel.send(message),
    receive: listener => channel.receive(listener),
    closed: channel.closed.then(cause => (isReset(cause) ? undefined : cause)),
    close: () => channel.close(),
  }
}

function isReset(cause: unknown): boolean {
  const { code } = (cause ?? {}) as NodeJS.ErrnoException
  return code === 'ECONNRESET' || code === 'EPIPE'
}
