import type { Server } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'

/**
 * The order of a listener's drain: see {@link Listener.drain}.
 *
 * @param leave sends the connections that are open now away
 * @param stop closes the port; resolves when no connection is left
 */
export async function drainPort(
  server: Server,
  lingerMs: number,
  leave: () => void,
  stop: () => Promise<void>,
): Promise<void> {
  leave()
  await new Promise<void>(resolve => {
    const timer = setTimeout(resolve, server.listening ? lingerMs : 0)
    server.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })
  // After a turn that took long, timers come before the connections that have waited meanwhile:
  // closing the port now would reset them, and with them requests that may not be sent twice.
  await nextTurn()
  const stopped = stop()
  // Those that came meanwhile leave only now. Sent away earlier, clients that know no better come
  // back at once, and the port closes on whoever is in the kernel's queue at that moment.
  leave()
  await stopped
}
