import { formatBytes, formatMs, formatTable } from './table.mjs'

/** The second table. */
export function formatLifecycle(results) {
  if (results.unavailable) return `load, reload, swap: not available: ${results.unavailable}`
  const times = ({ p50Ms, p99Ms, maxMs }) => [p50Ms, p99Ms, maxMs].map(formatMs)
  const one = value => [value, '', '']
  return formatTable(
    ['inside Fezz', 'p50', 'p99', 'max'],
    [
      ['first load of a 60 KB bundle', ...times(results.firstLoad)],
      ['load again after unload', ...times(results.reload)],
      ['heap after 1,000 reloads', ...one(formatBytes(results.heapBytes))],
      ['heap growth per reload', ...one(formatBytes(results.heapPerReloadBytes))],
      ['heap per loaded function, 1,000 loaded', ...one(formatBytes(results.heapPerLoadedBytes))],
      ['build of 1,000 functions, empty cache', ...one(formatMs(results.deployMs))],
      ['swap of a table of 10,000 routes, under load', ...times(results.swap)],
      ['longest event-loop turn while swapping', '', '', formatMs(results.turn.clockMs)],
      ['  of that thread alone, without preemption', '', '', formatMs(results.turn.processorMs)],
      ['longest turn under the load alone', '', '', formatMs(results.turnAlone.clockMs)],
      ['  of that thread alone', '', '', formatMs(results.turnAlone.processorMs)],
      ...(results.swapErrors ? [['requests lost while swapping', results.swapErrors]] : []),
    ],
  )
}
