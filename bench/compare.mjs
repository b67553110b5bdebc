import { processorSeconds, residentBytes } from './machine.mjs'
import { baseline } from './peers.mjs'
import { startServer } from './server-process.mjs'
import { median } from './statistics.mjs'
import { formatBytes, formatMs, formatRatio, formatTable } from './table.mjs'
import { load } from './wrk.mjs'

/** From this share of its core on, wrk may have been the limit: the ratio is a lower bound. */
const WRK_FULL = 0.93

/**
 * Measures all peers in turn, `rounds` times over. Each round measures the baseline first and
 * last, and each ratio is taken to the mean of those two, so that a machine that gets slower or
 * faster in the meantime changes both sides alike.
 * @param options `rounds`, `seconds` and `warmUpSeconds` per measurement; `report(line)` for progress
 * @returns one record per peer, in the order given; `unavailable` holds the reason instead of figures
 */
export async function compare(peers, { rounds, seconds, warmUpSeconds, report }) {
  const results = new Map(peers.map(peer => [peer.id, { id: peer.id, label: peer.label }]))
  const drop = (peer, reason) => {
    results.get(peer.id).unavailable = reason
    report(`${peer.label}: not available: ${reason}`)
  }

  // An untimed start: files come into the page cache, Fezz builds its bundles.
  for (const peer of peers) {
    if (peer.missing) {
      drop(peer, peer.missing)
      continue
    }
    try {
      peer.prepare?.()
      const server = await startServer(peer)
      await server.stop()
      results.get(peer.id).firstStartMs = server.startMs
    } catch (error) {
      drop(peer, error.message)
    }
  }
  const { unavailable } = results.get(baseline.id)
  if (unavailable) throw new Error(`${baseline.label}, the yardstick: ${unavailable}`)

  const samples = new Map(peers.map(peer => [peer.id, []]))
  for (let round = 1; round <= rounds; round++) {
    const taken = []
    for (const peer of [...peers, baseline]) {
      if (results.get(peer.id).unavailable) continue
      report(`round ${round} of ${rounds}: ${peer.label}`)
      try {
        taken.push({ peer, sample: await measure(peer, seconds, warmUpSeconds) })
      } catch (error) {
        if (peer === baseline) throw error
        drop(peer, error.message)
      }
    }
    const yardsticks = taken.filter(({ peer }) => peer === baseline).map(({ sample }) => sample)
    for (const { peer, sample } of taken) {
      samples.get(peer.id).push({
        ...sample,
        ratio: sample.requestsPerSecond / mean(yardsticks, 'requestsPerSecond'),
        processorRatio: sample.perProcessorSecond / mean(yardsticks, 'perProcessorSecond'),
      })
    }
  }
  return peers.map(peer => ({ ...results.get(peer.id), ...summarize(samples.get(peer.id)) }))
}

async function measure(peer, seconds, warmUpSeconds) {
  const server = await startServer(peer)
  try {
    await load(server.url, warmUpSeconds)
    const usedBefore = processorSeconds(server.pid)
    const { errors, ...figures } = await load(server.url, seconds)
    const used = processorSeconds(server.pid) - usedBefore
    if (errors !== '') throw new Error(`failed under load: ${errors}`)
    return {
      ...figures,
      perProcessorSecond: (figures.requestsPerSecond * seconds) / used,
      rssBytes: residentBytes(server.pid),
      startMs: server.startMs,
    }
  } finally {
    await server.stop()
  }
}

function mean(samples, field) {
  return samples.reduce((sum, sample) => sum + sample[field], 0) / samples.length
}

function summarize(samples) {
  if (samples.length === 0) return {}
  const of = field => median(samples.map(sample => sample[field]))
  const ratios = samples.map(sample => sample.ratio)
  return {
    ratio: of('ratio'),
    ratioMin: Math.min(...ratios),
    ratioMax: Math.max(...ratios),
    processorRatio: of('processorRatio'),
    requestsPerSecond: of('requestsPerSecond'),
    wrkBusy: of('busy'),
    p50Ms: of('p50Ms'),
    p99Ms: of('p99Ms'),
    rssBytes: of('rssBytes'),
    startMs: of('startMs'),
    samples,
  }
}

/** The first table. */
export function formatComparison(results) {
  const header = [
    'server',
    'ratio',
    'min-max',
    'by CPU',
    'req/s',
    'p50',
    'p99',
    'RSS',
    'start',
    '/ bare',
  ]
  const bareStartMs = results.find(({ id }) => id === baseline.id).startMs
  return formatTable(
    header,
    results.map(result =>
      result.unavailable
        ? [result.label, `not available: ${result.unavailable}`]
        : [
            result.label,
            `${result.wrkBusy > WRK_FULL ? '>= ' : ''}${formatRatio(result.ratio)}`,
            `${formatRatio(result.ratioMin)}-${formatRatio(result.ratioMax)}`,
            formatRatio(result.processorRatio),
            Math.round(result.requestsPerSecond).toLocaleString('en'),
            formatMs(result.p50Ms),
            formatMs(result.p99Ms),
            formatBytes(result.rssBytes),
            formatMs(result.startMs),
            `${(result.startMs / bareStartMs).toFixed(1)} x`,
          ],
    ),
  )
}
