import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { residentBytes } from '../machine.mjs'
import { inRounds, ratioOf } from '../rounds.mjs'
import { startServer } from '../server-process.mjs'
import { median } from '../statistics.mjs'
import { idleConnections } from './idle-connections.mjs'

const CONNECTIONS = 5_000
/** What these bring, all share: compiled code, most of what the young generation grows to. */
const FIRST_SHARE = 0.2
/** Files that a process has open beside its connections. */
const OTHER_FILES = 200
const SETTLE_MS = 1_000
const scenario = { handler: 'hello' }

/**
 * Resident memory of a server for each connection that has had one request answered and is idle.
 * @param options `rounds` and `report(line)` as for compare()
 * @returns `connections`: how many were open, `isLimited` when open files allow no more; `results`:
 * one record per peer, as of compare(), with bytes for each connection, and before and after
 */
export async function compareIdleMemory(peers, { rounds, report }) {
  const connections = Math.min(CONNECTIONS, openFiles() - OTHER_FILES)
  const records = await inRounds(peers, {
    rounds,
    report: line => report(`idle: ${line}`),
    prepare: async peer => {
      const server = await startServer(peer, scenario)
      await server.stop()
    },
    measure: peer => measure(peer, connections),
  })
  return {
    connections,
    isLimited: connections < CONNECTIONS,
    results: records.map(({ samples, ...record }) => ({ ...record, ...summarize(samples) })),
  }
}

/** What `ulimit -n` says to a server. Node raises the soft limit to the hard one. */
function openFiles() {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8')
    return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY)
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

async function measure(peer, connections) {
  const first = Math.round(connections * FIRST_SHARE)
  const server = await startServer(peer, scenario)
  const clients = idleConnections(new URL(server.url).port)
  try {
    await clients.add(first)
    await sleep(SETTLE_MS)
    const beforeBytes = residentBytes(server.pid)
    await clients.add(connections - first)
    await sleep(SETTLE_MS)
    const afterBytes = residentBytes(server.pid)
    const open = await clients.add(0)
    if (open < connections) throw new Error(`it closed ${connections - open} idle connections`)
    return {
      beforeBytes,
      afterBytes,
      eachBytes: (afterBytes - beforeBytes) / (connections - first),
    }
  } finally {
    await clients.close()
    await server.stop()
  }
}

function summarize(taken) {
  if (taken.length === 0) return {}
  const samples = taken.map(each => ({ ...each.sample, ratio: ratioOf('eachBytes', each) }))
  const of = field => median(samples.map(sample => sample[field]))
  const each = samples.map(({ eachBytes }) => eachBytes)
  return {
    eachBytes: of('eachBytes'),
    eachMinBytes: Math.min(...each),
    eachMaxBytes: Math.max(...each),
    ratio: of('ratio'),
    beforeBytes: of('beforeBytes'),
    afterBytes: of('afterBytes'),
    samples,
  }
}
