import { formatBytes, formatMs, formatRatio, formatTable } from '../table.mjs'

/** Share of its core from which on wrk may have been the limit; compare.mjs says the same. */
const WRK_FULL = 0.93

/** The fourth table, in three parts. */
export function formatExecutors({ executors, workers }) {
  return [
    coldTable(executors),
    warmTable('executor', executors),
    warmTable('processes', workers),
  ].join('\n\n')
}

function coldTable(rows) {
  return formatTable(
    ['first request', 'n', 'p50', 'p99', 'memory (PSS)', 'RSS'],
    rows.flatMap(({ id, unavailable, cold, memory }) => {
      if (cold === undefined) return [[id, `not available: ${unavailable}`]]
      return cold.map(({ name, unavailable, n, p50Ms, p99Ms }, index) => {
        const label = [id, name].filter(Boolean).join(', ')
        if (unavailable) return [label, `not available: ${unavailable}`]
        const { pssBytes, cgroupBytes, rssBytes } = (index === 0 && memory) || {}
        return [
          label,
          String(n),
          formatMs(p50Ms),
          formatMs(p99Ms),
          formatBytes(pssBytes ?? cgroupBytes),
          formatBytes(rssBytes),
        ]
      })
    }),
  )
}

function warmTable(title, rows) {
  return formatTable(
    [title, 'p50', 'p99', 'req/s of 64', 'ratio', 'p99 of 64', 'load'],
    rows.map(({ id, unavailable, warm, ...row }) =>
      unavailable
        ? [id, `not available: ${unavailable}`]
        : [
            id,
            formatMs(warm.p50Ms),
            formatMs(warm.p99Ms),
            Math.round(row.requestsPerSecond).toLocaleString('en'),
            `${row.wrkBusy > WRK_FULL ? '>= ' : ''}${formatRatio(row.ratio)}`,
            formatMs(row.loadedP99Ms),
            `${Math.round(row.wrkBusy * 100)} %`,
          ],
    ),
  )
}
