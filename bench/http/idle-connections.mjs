import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { onLoadCore } from '../machine.mjs'

const SCRIPT = fileURLToPath(new URL('idle-client.mjs', import.meta.url))

/**
 * Connections to `port` that have each had one request to /hello answered and do nothing more, held
 * by a process of their own on the load core.
 * @returns `add(count)`, which resolves to how many are open when `count` more have been, and
 * rejects when one fails; and `close()`, which cuts them all
 */
export function idleConnections(port) {
  const [file, ...args] = onLoadCore([process.execPath, SCRIPT, String(port)])
  const client = spawn(file, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const ended = new Promise(resolve => client.once('exit', resolve))
  return {
    async add(count) {
      const answered = new Promise((resolve, reject) => {
        client.once('message', resolve)
        client.once('error', reject)
        ended.then(() => reject(new Error('the client of the idle connections ended')))
      })
      client.send(count)
      const { open, error } = await answered
      if (error) throw new Error(error)
      return open
    },
    async close() {
      if (client.connected) client.disconnect()
      await ended
    },
  }
}
