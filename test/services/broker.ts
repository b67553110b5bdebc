import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { removeLeftovers } from './leftovers.ts'
import { isServiceName, Services } from './services.ts'
import { BROKER, type BrokerAnswer } from './shared.ts'

/**
 * For a whole test run, in the process that outlives its workers: starts a shared service when the
 * first of them asks for it. They find it by an environment variable; see `sharedService`.
 *
 * @returns what ends it all
 */
export async function setup(): Promise<() => Promise<void>> {
  await removeLeftovers()
  const folder = await mkdtemp(join(tmpdir(), `fezz-broker-${process.pid}-`))
  const removeFolder = () => rmSync(folder, { recursive: true, force: true })
  // Interrupted, a run ends without what is returned here.
  process.once('exit', removeFolder)
  const services = new Services()
  const server = createServer(socket => serve(socket, services))
  const path = join(folder, 'socket')
  server.listen(path)
  await once(server, 'listening')
  // It must not hold up an end that forgets it.
  server.unref()
  process.env[BROKER] = path
  return async () => {
    delete process.env[BROKER]
    await closeServer(server)
    await services[Symbol.asyncDispose]()
    process.off('exit', removeFolder)
    removeFolder()
  }
}

async function serve(socket: Socket, services: Services): Promise<void> {
  socket.on('error', () => {})
  for await (const name of createInterface({ input: socket })) {
    socket.end(JSON.stringify(await answerTo(name, services)))
  }
}

async function answerTo(name: string, services: Services): Promise<BrokerAnswer> {
  if (!isServiceName(name)) return { error: `there is no shared service ${name}` }
  try {
    return { endpoint: (await services.get(name)).endpoint }
  } catch (error) {
    return { error: (error as Error).message }
  }
}

async function closeServer(server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  await closed
}
