import type { Clock } from '../../clock.ts'
import { FezzError } from '../../errors.ts'
import type { InstanceExit } from '../../function/contract.ts'
import type { Address } from '../http/address.ts'
import { HttpInstance } from '../http/http-instance.ts'
import { probe, untilReady } from '../http/readiness.ts'
import type { InstanceFolder } from '../instance-folder.ts'
import type { ContainedProcess } from './contained-process.ts'
import type { Environment } from './environment.ts'
import { freePort } from './free-port.ts'

export interface HttpProgramOptions {
  readonly functionId: string
  /** The only port that it may be found on; default: a free one, told to it as `PORT`. */
  readonly handlerPort?: number
  /** Whether a port of it could be reached. */
  readonly network: boolean
  readonly loadTimeoutMs: number
  /** After SIGTERM. */
  readonly stopGraceMs: number
  /** For any answer at all after a request that missed its deadline. */
  readonly killGraceMs: number
  readonly maxOutputBytes?: number
  readonly clock: Clock
  newFolder(): InstanceFolder
  /** Starts the program, with these variables over its own. */
  start(folder: InstanceFolder, env: Environment): ContainedProcess
}

const ATTEMPTS = 5
/** In the words of the C library, and in those of Node, Go and Java. */
const PORT_TAKEN = /EADDRINUSE|address (?:is )?already in use/i

/**
 * Starts a program that serves HTTP and waits until it does, on its port or on its socket.
 *
 * @throws FezzError `FUNCTION_LOAD_FAILED` when it ends before, `FUNCTION_TIMEOUT` when it takes
 *   too long; nothing of it is left then
 */
export async function startHttpProgram(options: HttpProgramOptions): Promise<HttpInstance> {
  for (let attempt = 1; ; attempt++) {
    const port = options.handlerPort ?? (await freePort())
    const folder = options.newFolder()
    const process = options.start(folder, {
      PORT: String(port),
      FEZZ_SOCKET: folder.socketPath,
    })
    try {
      const addresses: Address[] = [{ socketPath: folder.socketPath }]
      if (options.network) {
        // What listens on `localhost` may have either.
        addresses.push({ host: '127.0.0.1', port }, { host: '::1', port })
      }
      return serve(process, await firstReady(process, addresses, options), options)
    } catch (error) {
      process.kill('killed', 'it did not become ready')
      const end = await process.ended
      const wasTaken = options.handlerPort === undefined && PORT_TAKEN.test(end.error.message)
      if (!wasTaken || attempt === ATTEMPTS) throw error
    }
  }
}

function serve(
  process: ContainedProcess,
  address: Address,
  { stopGraceMs, killGraceMs, maxOutputBytes, clock }: HttpProgramOptions,
): HttpInstance {
  let isProbing = false
  return new HttpInstance({
    address,
    clock,
    end: () => process.terminate(stopGraceMs),
    exited: exitOf(process),
    ...(maxOutputBytes !== undefined && { maxOutputBytes }),
    async overdue() {
      if (isProbing) return
      isProbing = true
      const isAlive = await probe(address, {
        sign: { kind: 'answer' },
        limitMs: killGraceMs,
        clock,
      })
      isProbing = false
      if (!isAlive)
        process.kill('killed', `it did not answer within ${killGraceMs} ms of a deadline`)
    },
  })
}

async function exitOf(process: ContainedProcess): Promise<InstanceExit> {
  const { reason, error } = await process.ended
  return { reason, cause: error }
}

async function firstReady(
  process: ContainedProcess,
  addresses: readonly Address[],
  { functionId, network, loadTimeoutMs, clock }: HttpProgramOptions,
): Promise<Address> {
  const done = new AbortController()
  const { promise: failure, reject } = Promise.withResolvers<never>()
  const { signal } = done
  void process.ended.then(({ error }) =>
    reject(
      new FezzError(
        'FUNCTION_LOAD_FAILED',
        `the program of function "${functionId}" has ended before it served a request`,
        { cause: error },
      ),
    ),
  )
  const timer = clock.setTimer(async () => {
    const where = network ? 'PORT or FEZZ_SOCKET' : 'FEZZ_SOCKET, all it has without a network,'
    const message = `the program of function "${functionId}" did not listen on ${where} within ${loadTimeoutMs} ms`
    reject(new FezzError('FUNCTION_TIMEOUT', `${message}${await insteadOf(addresses, process)}`))
  }, loadTimeoutMs)
  const ready = addresses.map(async address => {
    // Whoever else has the port must not be taken for the program.
    const isOwn = async () =>
      !('port' in address) || (await process.listeningPorts())?.has(address.port) !== false
    await untilReady(address, { sign: { kind: 'connection' }, clock, signal, isOwn })
    return address
  })
  for (const attempt of ready) attempt.catch(() => {})
  try {
    return await Promise.race([failure, ...ready])
  } finally {
    timer.cancel()
    done.abort()
  }
}

/** What a program does instead of listening where it is looked for, as far as that can be seen. */
async function insteadOf(
  addresses: readonly Address[],
  process: ContainedProcess,
): Promise<string> {
  const ports = await process.listeningPorts()
  if (ports === undefined || ports.size === 0) return ''
  if (addresses.some(address => 'port' in address && ports.has(address.port))) return ''
  const [port] = ports
  return `; it listens on port ${port}: have it use PORT, or write handlerPort: ${port}`
}
