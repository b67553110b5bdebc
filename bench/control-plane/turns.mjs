import { PerformanceObserver } from 'node:perf_hooks'

/**
 * Loaded into a host before its own code (`--import`): answers each message of its parent with the
 * longest turn of the event loop since the last one, by the clock and by the thread's own processor
 * time, with the longest garbage collection, which is part of some turn, and with the memory it uses.
 * Turns shorter than a millisecond are seen as one.
 */
const longest = { clockMs: 0, processorMs: 0, collectionMs: 0 }
let clock = performance.now()
let processor = processorNow()

new PerformanceObserver(list => {
  for (const { duration } of list.getEntries()) {
    longest.collectionMs = Math.max(longest.collectionMs, duration)
  }
}).observe({ type: 'gc' })
setInterval(look, 1).unref()
process.on('message', () => {
  look()
  process.send({ turn: longest, memory: process.memoryUsage() })
  Object.assign(longest, { clockMs: 0, processorMs: 0, collectionMs: 0 })
})
// The host is to end by itself, as without a parent that listens.
process.channel?.unref()

function look() {
  const clockNow = performance.now()
  const processorTime = processorNow()
  longest.clockMs = Math.max(longest.clockMs, clockNow - clock)
  longest.processorMs = Math.max(longest.processorMs, processorTime - processor)
  clock = clockNow
  processor = processorTime
}

function processorNow() {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}
