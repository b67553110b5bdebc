import { Agent, request } from 'node:http'
import { parentPort, workerData } from 'node:worker_threads'

// The thread of steady-client.ts.

/** `look` is answered by what was seen, and `forget` too, before it is forgotten. */
export type Told = 'look' | 'forget'

/** What became of the requests. */
export interface Asked {
  /** One for each, in milliseconds; so far, for one without an answer. */
  readonly waitedMs: readonly number[]
  /** Those whose answer was none, or not 200. */
  readonly failed: number
}

const TIMEOUT_MS = 10_000
const { url, perSecond } = workerData as { url: string; perSecond: number }
/** Who stalls gets so many connections and not one for each request: it has other things to run out of. */
const agent = new Agent({ keepAlive: true, maxSockets: 32 })
const open = new Set<number>()
let waitedMs: number[] = []
let failed = 0
let hasBegun = false

function ask(): void {
  const startedMs = performance.now()
  open.add(startedMs)
  const over = (isFine: boolean): void => {
    if (!open.delete(startedMs)) return
    waitedMs.push(performance.now() - startedMs)
    if (!isFine) failed++
    if (!hasBegun) parentPort?.postMessage('begun')
    hasBegun = true
  }
  request(url, { agent, timeout: TIMEOUT_MS })
    .on('response', response => {
      response.resume()
      response.once('end', () => over(response.statusCode === 200))
      response.once('error', () => over(false))
    })
    .on('timeout', () => over(false))
    .on('error', () => over(false))
    .end()
}

const startedMs = performance.now()
let asked = 0
// Those that a late timer has left out are asked at once.
setInterval(() => {
  for (const due = ((performance.now() - startedMs) / 1_000) * perSecond; asked < due; asked++)
    ask()
}, 1_000 / perSecond)

parentPort?.on('message', (told: Told) => {
  const nowMs = performance.now()
  const pending = Array.from(open, sinceMs => nowMs - sinceMs)
  parentPort?.postMessage({ waitedMs: [...waitedMs, ...pending], failed } satisfies Asked)
  if (told === 'look') return
  waitedMs = []
  failed = 0
})
