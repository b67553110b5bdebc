import { randomFrom } from '../../helpers/random.ts'
import { TrafficClient } from './traffic-client.ts'

/** How many connections have a request under way at once. */
export const CLIENTS = 24

export interface TrafficOptions {
  /** Of the proxy, on 127.0.0.1. */
  readonly port: number
  /** How many requests are to be answered. */
  readonly requests: number
  /** Decides what each client does, one after the other. */
  readonly seed: number
}

/** What has become of it. Requests are told by their nonces. */
export interface TrafficReport {
  /** Answered as they had to be. */
  readonly answered: Set<string>
  /** Their client left in the middle. */
  readonly left: Set<string>
  /** Their function answers without a look at their body. */
  readonly unread: Set<string>
  /** Requests that were answered wrongly or not at all, in words. */
  readonly failures: string[]
  /** One for each answer. */
  readonly tookMs: number[]
  /** Connections to the proxy. */
  connections: number
}

/** Sends mixed requests by several clients at once, each over one connection as long as it can. */
export async function sendTraffic(options: TrafficOptions): Promise<TrafficReport> {
  const report: TrafficReport = {
    answered: new Set(),
    left: new Set(),
    unread: new Set(),
    failures: [],
    tookMs: [],
    connections: 0,
  }
  const each = Math.ceil(options.requests / CLIENTS)
  const clients = Array.from({ length: CLIENTS }, (_, index) => {
    const random = randomFrom(options.seed + index)
    return new TrafficClient({ name: `n${index}`, port: options.port, random, report }).run(each)
  })
  await Promise.all(clients)
  return report
}
