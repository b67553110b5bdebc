import { formatLoad, LOAD_COLUMNS } from '../compare.mjs'
import { formatBytes, formatRatio, formatTable } from '../table.mjs'

/** The HTTP tables, one for each scenario. */
export function formatHttp({ work, idle }) {
  return [...work.map(formatWork), ...(idle ? [formatIdle(idle)] : [])].join('\n\n')
}

function formatWork({ title, results }) {
  return formatTable(
    [title, ...LOAD_COLUMNS, 'wrk'],
    results.map(result =>
      result.unavailable
        ? [result.label, `not available: ${result.unavailable}`]
        : [result.label, ...formatLoad(result), `${Math.round(result.wrkBusy * 100)} %`],
    ),
  )
}

function formatIdle({ connections, isLimited, results }) {
  const title = `${connections.toLocaleString('en')} idle connections${isLimited ? ' (ulimit -n)' : ''}`
  return formatTable(
    [title, 'memory of one', 'min-max', '/ bare', 'RSS before', 'after'],
    results.map(result =>
      result.unavailable
        ? [result.label, `not available: ${result.unavailable}`]
        : [
            result.label,
            formatBytes(result.eachBytes),
            `${formatBytes(result.eachMinBytes)}-${formatBytes(result.eachMaxBytes)}`,
            formatRatio(result.ratio),
            formatBytes(result.beforeBytes),
            formatBytes(result.afterBytes),
          ],
    ),
  )
}
