import { processorSeconds, residentBytes } from './machine.mjs'
import { inRounds, ratioOf } from './rounds.mjs'
import { startServer } from './server-process.mjs'
import { median } from './statistics.mjs'
import { formatBytes, formatMs, formatRatio, formatTable } from './table.mjs'
import { load } from './wrk.mjs'

/** From this share of its core on, wrk may have been the limit: the ratio is a lower bound. */
const WRK_FULL = 0.93

/**
 * The requests per second of all peers, in rounds as {@link inRounds} has them.
 * @param options `rounds`, `seconds` and `warmUpSeconds` per measurement; `report(line)` for progress;
 *   `scenario`: the request, as for load(), and its `path` (a GET of /hello); `verify(url, scenario)`,
 *   where there is one, rejects once and for all a server whose answer is wrong
 * @returns one record per peer, in the order given; `unavailable` holds the reason instead of figures
 */
export async function compare(peers, options) {
  const { rounds, report } = options
  const records = await inRounds(peers, {
    rounds,
    report,
    prepare: peer => startOnce(peer, options),
    measure: peer => measure(peer, options),
  })
  return records.map(({ samples, ...record }) => ({ ...record, ...summarize(samples) }))
}

/** Files come into the page cache, Fezz builds its bundles. */
async function startOnce(peer, { scenario, verify }) {
  const server = await startServer(peer, scenario)
  try {
    await verify?.(server.url, scenario)
    return { firstStartMs: server.startMs }
  } finally {
    await server.stop()
  }
}

async function measure(peer, { seconds, warmUpSeconds, scenario }) {
  const server = await startServer(peer, scenario)
  try {
    await load(server.url, warmUpSeconds, scenario)
    const usedBefore = processorSeconds(server.pid)
    const { errors, ...figures } = await load(server.url, seconds, scenario)
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

function summarize(taken) {
  if (taken.length === 0) return {}
  const samples = taken.map(each => ({
    ...each.sample,
    ratio: ratioOf('requestsPerSecond', each),
    processorRatio: ratioOf('perProcessorSecond', each),
  }))
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

/** The columns of {@link formatLoad}. */
export const LOAD_COLUMNS = ['ratio', 'min-max', 'by CPU', 'req/s', 'p50', 'p99']

/** What compare() found out about a server under load. */
export function formatLoad(result) {
  return [
    `${result.wrkBusy > WRK_FULL ? '>= ' : ''}${formatRatio(result.ratio)}`,
    `${formatRatio(result.ratioMin)}-${formatRatio(result.ratioMax)}`,
    formatRatio(result.processorRatio),
    Math.round(result.requestsPerSecond).toLocaleString('en'),
    formatMs(result.p50Ms),
    formatMs(result.p99Ms),
  ]
}

/** The first table. */
export function formatComparison(results) {
  const [{ startMs: bareStartMs }] = results
  return formatTable(
    ['server', ...LOAD_COLUMNS, 'RSS', 'start', '/ bare'],
    results.map(result =>
      result.unavailable
        ? [result.label, `not available: ${result.unavailable}`]
        : [
            result.label,
            ...formatLoad(result),
            formatBytes(result.rssBytes),
            formatMs(result.startMs),
            `${(result.startMs / bareStartMs).toFixed(1)} x`,
          ],
    ),
  )
}
