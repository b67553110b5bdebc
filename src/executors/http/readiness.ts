import { type RequestOptions, request } from 'node:http'
import { pause } from '../../backoff.ts'
import type { Clock } from '../../clock.ts'
import type { Address } from './address.ts'
import { type Dialled, dial } from './dial.ts'

/** Steps of the wait for a server that starts. */
const FIRST_STEP_MS = 5
const LAST_STEP_MS = 250
/** For one attempt: longer than any server needs that has begun to listen. */
const ATTEMPT_MS = 2_000

/**
 * How a server shows that it is there: `connection`: it accepts one; `answer`: it answers, whatever
 * that is; `health`: it answers `GET path` with a status below 500.
 */
export type Sign =
  | { readonly kind: 'connection' }
  | { readonly kind: 'answer' }
  | { readonly kind: 'health'; readonly path: string }

export interface ProbeOptions {
  readonly sign: Sign
  readonly limitMs: number
  readonly clock: Clock
  /** Gives up: the answer is no. */
  readonly signal?: AbortSignal
}

export interface ReadinessOptions {
  readonly sign: Sign
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Whether it is the server that is waited for which has shown the sign. Default: it is. */
  isOwn?(): Promise<boolean>
}

/**
 * Resolves when the server at `address` shows its sign; tries in steps that grow from 5 to 250 ms.
 *
 * @throws the signal's reason when that aborts first
 */
export async function untilReady(
  address: Address,
  { sign, clock, signal, isOwn }: ReadinessOptions,
): Promise<void> {
  for (let stepMs = FIRST_STEP_MS; ; stepMs = Math.min(stepMs * 2, LAST_STEP_MS)) {
    signal.throwIfAborted()
    const isThere = await probe(address, { sign, clock, signal, limitMs: ATTEMPT_MS })
    if (isThere && (isOwn === undefined || (await isOwn()))) return
    await pause(clock, stepMs, signal)
  }
}

/** Whether the server at `address` shows its sign within `limitMs`; never rejects. */
export function probe(
  address: Address,
  { sign, limitMs, clock, signal }: ProbeOptions,
): Promise<boolean> {
  return new Promise(resolve => {
    const end = (shown: boolean) => {
      timer.cancel()
      signal?.removeEventListener('abort', giveUp)
      attempt.destroy()
      resolve(shown)
    }
    const giveUp = () => end(false)
    const timer = clock.setTimer(giveUp, limitMs)
    const attempt =
      sign.kind === 'connection'
        ? dial(address, clock, (...[error]) => end(error === null))
        : ask(address, sign, clock, end)
    if (signal?.aborted) giveUp()
    else signal?.addEventListener('abort', giveUp)
  })
}

interface Attempt {
  destroy(): void
}

/** `OPTIONS *` is made to see whether a server answers at all (RFC 9110, section 9.3.7). */
function ask(
  address: Address,
  sign: Exclude<Sign, { kind: 'connection' }>,
  clock: Clock,
  end: (shown: boolean) => void,
): Attempt {
  const what =
    sign.kind === 'health' ? { method: 'GET', path: sign.path } : { method: 'OPTIONS', path: '*' }
  let connecting: Attempt | undefined
  const createConnection: RequestOptions['createConnection'] = (_options, done) => {
    connecting = dial(address, clock, done as Dialled)
    return undefined
  }
  const asking = request({ ...what, createConnection })
    .on('response', ({ statusCode = 500 }) => end(sign.kind === 'answer' || statusCode < 500))
    .on('error', () => end(false))
    .end()
  return {
    destroy() {
      connecting?.destroy()
      asking.destroy()
    },
  }
}
