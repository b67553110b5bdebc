import type { Socket } from 'node:net'

/**
 * Ends a connection so that its client knows that something is missing, and what the client has not
 * taken is not kept for it: by a reset, over TLS by the lack of its own end. A Unix socket has neither.
 */
export function cut(socket: Socket): void {
  // Node throws for whatever is not TCP alone.
  if ('encrypted' in socket || socket.remoteAddress === undefined) socket.destroy()
  else socket.resetAndDestroy()
}
