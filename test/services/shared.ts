import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { type ServiceName, Services } from './services.ts'

/** The environment variable with the socket of the run's broker. */
export const BROKER = 'SERVICES_BROKER'

/** What the broker says to the name of a service. */
export type BrokerAnswer = { readonly endpoint: string } | { readonly error: string }

/** For a process that belongs to no run: ended with it. */
const own = new Services()

/**
 * Where the one server listens that all test files of a run share: `http://127.0.0.1:PORT`. It is
 * started by the first who asks and ended with the run. Write under a prefix of your own; to stop
 * or break one, start one of your own.
 *
 * @throws when it cannot be started
 */
export async function sharedService(name: ServiceName): Promise<string> {
  const path = process.env[BROKER]
  if (path === undefined) {
    const service = await own.get(name)
    service.unref()
    return service.endpoint
  }
  const socket = connect(path)
  socket.write(`${name}\n`)
  const answer = JSON.parse(await text(socket)) as BrokerAnswer
  if ('error' in answer) throw new Error(answer.error)
  return answer.endpoint
}
