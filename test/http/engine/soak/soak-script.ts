import { subscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { EngineListener } from '../../../../src/http/engine/engine-listener.ts'
import { LISTENER_DEFAULTS } from '../../listener-defaults.ts'
import { Random } from './random.ts'
import { soakClient } from './soak-client.ts'
import { open, seen, soakHandler } from './soak-handler.ts'

// node --expose-gc test/http/engine/soak/soak-script.ts [connections] [seed]
// Random clients and handlers on one engine; fails for a wrong answer, and for anything left.

const CLIENTS = 40
const [connections = '4000', seed = `${Date.now() % 1_000_000}`] = process.argv.slice(2)
const gc = globalThis.gc
if (gc === undefined) throw new Error('run it with --expose-gc')

const sockets: WeakRef<Socket>[] = []
subscribe('net.server.socket', message => {
  sockets.push(new WeakRef((message as { socket: Socket }).socket))
})

const listener = new EngineListener({
  ...LISTENER_DEFAULTS,
  fetch: soakHandler,
  headersTimeoutMs: 3_000,
  requestTimeoutMs: 4_000,
  keepAliveTimeoutMs: 2_000,
  responseStallTimeoutMs: 2_000,
  maxPipelined: 4,
})
const { port } = await listener.listen()
let done = 0
let failed = 0

async function client(number: number): Promise<void> {
  for (let n = number; n < Number(connections); n += CLIENTS) {
    await soakClient(port, new Random(Number(seed) * 100_003 + n)).catch(error => {
      failed++
      console.error(`seed ${seed}, connection ${n}: ${(error as Error).stack}`)
    })
    if (++done % 1_000 === 0) {
      gc?.()
      const { heapUsed, external } = process.memoryUsage()
      const mib = [heapUsed, external].map(bytes => (bytes / 2 ** 20).toFixed(1))
      console.info(`${done} connections, heap ${mib[0]} MiB, outside ${mib[1]} MiB`)
    }
  }
}

await Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(number)))
// Longer than any of its limits.
await sleep(7_000)
for (let times = 0; times < 3; times++) {
  gc()
  await sleep(50)
}
const alive = (refs: WeakRef<object>[]) => refs.filter(ref => ref.deref() !== undefined).length
const left = {
  connections: listener.connections,
  sockets: alive(sockets),
  requests: alive(seen),
  ...open,
}
console.info(`seed ${seed}: ${seen.length} requests, ${failed} failed, left`, left)
await listener.close()
process.exitCode = failed > 0 || Object.values(left).some(count => count > 0) ? 1 : 0
