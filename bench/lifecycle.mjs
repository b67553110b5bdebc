import { performance } from 'node:perf_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createHost } from './fezz-api.mjs'
import { bigFunctions, smallFunctions, tenThousandRoutesFunctions } from './fixtures.mjs'
import { formatLifecycle } from './lifecycle-table.mjs'
import { percentile } from './statistics.mjs'
import { load } from './wrk.mjs'

const FIRST_LOADS = 100
const RELOADS = 1_000
const LOADED = 1_000
const ALONE_MS = 1_500
const SWAPPING_MS = 4_000
/** Covers both of the above and the last swap. */
const LOAD_SECONDS = 7

if (typeof globalThis.gc !== 'function') {
  console.error('needs: node --expose-gc bench/lifecycle.mjs')
  process.exit(1)
}

try {
  const results = {
    ...(await measureLoads()),
    ...(await measureLoaded()),
    ...(await measureSwaps()),
  }
  console.log(process.argv.includes('--json') ? JSON.stringify(results) : formatLifecycle(results))
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}

/** Time from the first request of an unloaded 60 KB function to its answer, and again. */
async function measureLoads() {
  const { functions, cache } = bigFunctions(FIRST_LOADS)
  progress(`building ${FIRST_LOADS} functions of 60 KB`)
  await using(createHost({ cache }), host => host.deploy(functions))

  // A new host on the filled cache: bundles are built, nothing of them is in memory.
  return using(createHost({ cache }), async host => {
    await host.deploy(functions)
    // Whatever the host itself does for the first time is not a load's cost.
    await host.register({ id: 'first', path: '/first' }, () => new host.Response('first'))
    await answer(host, '/first')
    const firstLoads = []
    for (let index = 0; index < FIRST_LOADS; index++) {
      firstLoads.push(await timed(() => answer(host, `/big-${index}`)))
    }

    progress(`${RELOADS} reloads`)
    const reload = async () => {
      await host.unloadAll()
      return timed(() => answer(host, '/big-0'))
    }
    for (let index = 0; index < 50; index++) await reload()
    const heapBefore = await settledHeap()
    const reloads = []
    for (let index = 0; index < RELOADS; index++) reloads.push(await reload())
    const heapAfter = await settledHeap()
    return {
      firstLoad: spread(firstLoads),
      reload: spread(reloads),
      heapBytes: heapAfter,
      heapPerReloadBytes: (heapAfter - heapBefore) / RELOADS,
    }
  })
}

/** What a thousand small functions hold while loaded. */
async function measureLoaded() {
  progress(`building ${LOADED} small functions`)
  const { functions, cache } = smallFunctions(LOADED)
  return using(createHost({ cache }), async host => {
    const deployMs = await timed(() => host.deploy(functions))
    await answer(host, '/small-0')
    const loadAll = async () => {
      for (let index = 0; index < LOADED; index++) await answer(host, `/small-${index}`)
    }
    // Once before: what stays for good after a first load counts as the host's.
    await loadAll()
    await host.unloadAll()
    const heapBefore = await settledHeap()
    await loadAll()
    return { deployMs, heapPerLoadedBytes: ((await settledHeap()) - heapBefore) / LOADED }
  })
}

/** One small function is replaced beside 10,000 routes, which makes a new table, under load. */
async function measureSwaps() {
  progress('10,000 routes')
  const { functions, cache } = tenThousandRoutesFunctions()
  return using(createHost({ cache }), async host => {
    await host.deploy(functions)
    const hello = version => ({ id: 'hello', path: '/hello', version: `v${version}` })
    await host.register(hello(0), () => new host.Response('Hello, World!'))
    const url = `http://127.0.0.1:${await host.listen()}/hello`
    await load(url, 1)

    const loaded = load(url, LOAD_SECONDS)
    progress('the load alone')
    const endAlone = watchTurns()
    await rest(ALONE_MS)
    const turnAlone = endAlone()

    progress('swaps under load')
    const endSwapping = watchTurns()
    const swaps = []
    const until = performance.now() + SWAPPING_MS
    for (let version = 1; performance.now() < until; version++) {
      const replace = () => host.register(hello(version), () => new host.Response('Hello, World!'))
      swaps.push(await timed(replace))
      await rest(50)
    }
    const turn = endSwapping()
    const { errors, requestsPerSecond } = await loaded
    return {
      swap: spread(swaps),
      swaps: swaps.length,
      turn,
      turnAlone,
      swapErrors: errors,
      swapRequestsPerSecond: requestsPerSecond,
    }
  })
}

/**
 * Watches every turn of the event loop until the returned function is called. That one returns the
 * longest in milliseconds: by the clock, and by this thread's own processor time, which leaves out
 * what another process on the same core took.
 */
function watchTurns() {
  const longest = { clockMs: 0, processorMs: 0 }
  const processorNow = () => {
    const { user, system } = process.threadCpuUsage()
    return (user + system) / 1_000
  }
  let clock = performance.now()
  let processor = processorNow()
  const watch = () => {
    const clockNow = performance.now()
    const processorTime = processorNow()
    longest.clockMs = Math.max(longest.clockMs, clockNow - clock)
    longest.processorMs = Math.max(longest.processorMs, processorTime - processor)
    clock = clockNow
    processor = processorTime
    immediate = setImmediate(watch)
  }
  let immediate = setImmediate(watch)
  return () => {
    clearImmediate(immediate)
    return longest
  }
}

async function using(opening, work) {
  const host = await opening
  try {
    return await work(host)
  } finally {
    await host.close()
  }
}

async function answer(host, path) {
  const response = await host.fetch(new Request(`http://127.0.0.1${path}`))
  const text = await response.text()
  if (response.status !== 200) throw new Error(`GET ${path}: ${response.status} ${text}`)
}

async function timed(work) {
  const startedAt = performance.now()
  await work()
  return performance.now() - startedAt
}

/** Heap in use after collections have nothing left to free, in bytes. */
async function settledHeap() {
  for (let round = 0; round < 5; round++) {
    globalThis.gc()
    // Finalizers and weak references are worked off between turns.
    await nextTurn()
  }
  return process.memoryUsage().heapUsed
}

function spread(samples) {
  return {
    p50Ms: percentile(samples, 0.5),
    p99Ms: percentile(samples, 0.99),
    maxMs: Math.max(...samples),
  }
}

function rest(ms) {
  return new Promise(resolve => setTimeout(resolve, ms))
}

function progress(line) {
  process.stderr.write(`${line}\n`)
}
