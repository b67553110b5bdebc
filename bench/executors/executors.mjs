import { rmSync } from 'node:fs'
import { median } from '../statistics.mjs'
import { openContainers } from './containers.mjs'
import { writeFunctions } from './functions.mjs'
import { measureCold, measureWake, measureWarm } from './measure.mjs'
import { memoryOf } from './memory.mjs'

const COLD_STARTS = 50
const CONTAINER_STARTS = 10
const WAKES = 10
/** Longer than a pool takes to have its next runner ready. */
const REFILL_MS = 400
/** Safely longer than the idle time after which the functions of writeFunctions() sleep. */
const SLEEPING_REST_MS = 4_000

const noPool = { FEZZ_WARM_POOL: '0' }
const pool = { FEZZ_WARM_POOL: '1' }

/**
 * Each executor of this machine behind a real `fezz serve`.
 * @param options `rounds`, `seconds`, `warmUpSeconds` as for compare(); `report(line)` for progress
 * @returns `executors` and `workers`, a record for each row; `unavailable` says why one has no figures
 */
export async function measureExecutors(options) {
  const containers = await openContainers(options.report)
  const files = writeFunctions(COLD_STARTS, containers.image)
  try {
    // Untimed: it builds the bundles, so that no first request does.
    await attempt(() => measureCold(files, on('in-process'), { count: COLD_STARTS }))
    const rows = [
      await coldOf(files, { id: 'in-process', ways: [['', {}]] }, options),
      await coldOf(files, { id: 'thread', ways: WAYS }, options),
      await coldOf(files, { id: 'process', ways: WAYS }, options),
      await containerColdOf(files, containers, options),
    ]
    await addWarm(rows, files, options)
    return { executors: rows, workers: await measureWorkers(files, options) }
  } finally {
    await containers.close()
    rmSync(files.run, { recursive: true, force: true })
  }
}

const WAYS = [
  ['', noPool],
  ['with a warm pool', pool],
]

function on(executor, settings = {}) {
  return { FEZZ_EXECUTOR: executor, ...settings }
}

/** Cold starts and memory of an executor whose instances this machine's /proc shows. */
async function coldOf(files, { id, ways }, { report }) {
  const row = { id, cold: [] }
  for (const [name, settings] of ways) {
    report(`${id}: cold starts ${name}`)
    const isPooled = settings === pool
    const measured = await attempt(() =>
      measureCold(files, on(id, settings), {
        count: COLD_STARTS,
        ...(isPooled ? { refillMs: REFILL_MS } : { memory: memoryOf }),
      }),
    )
    if (measured.unavailable) return { id, unavailable: measured.unavailable }
    row.cold.push({ name, ...measured.cold })
    row.memory ??= measured.memory
  }
  return row
}

async function containerColdOf(files, containers, { report }) {
  const id = 'container'
  if (containers.unavailable) return { id, unavailable: containers.unavailable }
  const row = { id, cold: [], settings: containers.settings }
  report('container: create')
  const created = await attempt(() =>
    measureCold(files, on(id, containers.settings), {
      count: CONTAINER_STARTS,
      memory: containers.memory,
    }),
  )
  if (created.unavailable) return { id, unavailable: created.unavailable }
  row.cold.push({ name: 'create', ...created.cold })
  row.memory = created.memory
  for (const [name, path] of wakes(containers)) {
    report(`container: ${name}`)
    const woken = await attempt(() =>
      measureWake(files, on(id, containers.settings), {
        path,
        count: WAKES,
        restMs: SLEEPING_REST_MS,
      }),
    )
    row.cold.push({ name, ...woken })
  }
  return row
}

/** JavaScript is stopped, never paused: its onUnload runs when it falls asleep. */
function wakes({ image }) {
  const ofImage = [
    ['an image, wake from pause', '/pause'],
    ['an image, wake from stop', '/stop'],
  ]
  return [['wake from stop', '/sleeper'], ...(image === undefined ? [] : ofImage)]
}

/** Rounds over all, so that a machine that gets slower in the meantime does so for each. */
async function addWarm(rows, files, options) {
  const samples = new Map(rows.map(row => [row, []]))
  for (let round = 1; round <= options.rounds; round++) {
    let ofInProcess
    for (const row of rows) {
      if (row.unavailable) continue
      options.report(`round ${round} of ${options.rounds}: ${row.id}`)
      const sample = await attempt(() => measureWarm(files, on(row.id, row.settings), options))
      if (sample.unavailable) {
        row.unavailable = sample.unavailable
        continue
      }
      ofInProcess ??= sample.loaded.requestsPerSecond
      samples.get(row).push({ ...sample, ratio: sample.loaded.requestsPerSecond / ofInProcess })
    }
  }
  for (const [row, taken] of samples) if (taken.length > 0) Object.assign(row, summarize(taken))
}

/**
 * One host process and two, both free to use every core, with the load on one of them: what wrk takes
 * is missing to the workers, so the function computes for about half a millisecond.
 */
async function measureWorkers(files, options) {
  const rows = [1, 2].map(workers => ({ id: `FEZZ_WORKERS=${workers}`, workers, taken: [] }))
  for (let round = 1; round <= options.rounds; round++) {
    let ofOne
    for (const row of rows) {
      if (row.unavailable) continue
      options.report(`round ${round} of ${options.rounds}: ${row.id}`)
      const settings = on('in-process', { FEZZ_WORKERS: String(row.workers) })
      const sample = await attempt(() =>
        measureWarm(files, settings, { ...options, isSpread: true, path: '/busy' }),
      )
      if (sample.unavailable) {
        row.unavailable = sample.unavailable
        continue
      }
      ofOne ??= sample.loaded.requestsPerSecond
      row.taken.push({ ...sample, ratio: sample.loaded.requestsPerSecond / ofOne })
    }
  }
  return rows.map(({ taken, ...row }) => ({ ...row, ...(taken.length > 0 && summarize(taken)) }))
}

function summarize(taken) {
  const of = pick => median(taken.map(pick))
  return {
    ratio: of(({ ratio }) => ratio),
    requestsPerSecond: of(({ loaded }) => loaded.requestsPerSecond),
    wrkBusy: of(({ loaded }) => loaded.busy),
    loadedP99Ms: of(({ loaded }) => loaded.p99Ms),
    warm: { p50Ms: of(({ warm }) => warm.p50Ms), p99Ms: of(({ warm }) => warm.p99Ms) },
    samples: taken,
  }
}

async function attempt(work) {
  try {
    return await work()
  } catch (error) {
    return { unavailable: error.message }
  }
}
