import { loadavg } from 'node:os'
import { resolve } from 'node:path'
import { setTimeout as rest } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Edge } from '../../test/e2e/envoy/edge.ts'
import { Load } from '../../test/e2e/envoy/load.ts'
import { percentile } from '../statistics.mjs'
import { formatMs, formatTable } from '../table.mjs'

const USAGE = `usage: node bench/control-plane/affinity.mjs [flags]
  --functions N   how many there are (300)
  --rate N        requests in a second, through Envoy (100)
  --seconds N     measured of each kind (30)
  --idle-ttl D    of the hosts (5s)
  --load-ms N     what a function takes to load, beside its code (50)
  --dist DIR      the Fezz that is measured (dist)`

const BALANCES = ['affinity', 'spread']
const HOSTS = 3
/** Exponent of the popularity of functions: of the n-th, 1 / n. */
const ZIPF = 1

const options = readOptions()
const next = { uniform: uniform(), zipf: zipf() }
const rows = []
const moves = []
await using edge = await Edge.open('dynamic', {
  hosts: HOSTS,
  dist: options.dist,
  env: { FEZZ_IDLE_TTL: options.idleTtl, FEZZ_ENV_LOAD_MS: options.loadMs },
})
await putAll(BALANCES[0])
await edge.start()
for (const balance of BALANCES) {
  await edge.applied(await putAll(balance))
  // Until routes lead to the cluster of that balance.
  await rest(2_000)
  for (const [distribution, pick] of Object.entries(next)) {
    report(`${balance}, ${distribution}`)
    rows.push(await measure(balance, distribution, pick))
  }
  report(`${balance}, a host leaves and comes back`)
  moves.push(await measureMoves(balance, next.uniform))
}
console.log(`${options.functions} functions on ${HOSTS} hosts, ${options.rate} requests/s through Envoy,
unloaded after ${options.idleTtl}, ${options.loadMs} ms to load; ${options.seconds} s of each; load average ${loadavg()[0].toFixed(1)}
`)
console.log(
  formatTable(
    ['requests go', 'loads', 'per function', 'warm', 'p50', 'p90', 'p99', 'hosts', 'failed'],
    rows,
  ),
)
console.log(
  `\n${formatTable(
    [
      'one of three hosts',
      'homes there',
      'others moved',
      'back home',
      'loads: all',
      'one away',
      'back',
    ],
    moves,
  )}`,
)

/** Lets the load run until it has met everything, then counts. */
async function measure(balance, distribution, pick) {
  const load = start(pick)
  await rest(settleMs())
  const { counted, loads } = await during(load, options.seconds * 1_000)
  await load.stop()
  const took = counted.map(({ tookMs }) => tookMs)
  const warm = counted.filter(({ isCold }) => !isCold).length / counted.length
  const shares = edge.hosts.map(
    ({ id }) => counted.filter(({ node }) => node === id).length / counted.length,
  )
  return [
    `${balance}, ${distribution}`,
    String(loads),
    (loads / options.functions).toFixed(2),
    percent(warm),
    ...[0.5, 0.9, 0.99].map(share => formatMs(percentile(took, share))),
    shares.map(percent).join(' '),
    String(load.failures.length),
  ]
}

/** How many functions change their host when one leaves, and when it is back. */
async function measureMoves(balance, pick) {
  const load = start(pick)
  const [, host] = edge.hosts
  const windowMs = options.seconds * 1_000
  await rest(settleMs())
  const before = await during(load, windowMs)
  await host.stop()
  const away = await during(load, windowMs)
  await host.start()
  await rest(1_000)
  const back = await during(load, windowMs)
  await load.stop()
  const [home, homeAway, homeBack] = [before, away, back].map(({ counted }) => homes(counted))
  // Of functions that nobody has asked for in one of the three, there is nothing to say.
  const known = [...home].filter(([path]) => homeAway.has(path) && homeBack.has(path))
  const there = known.filter(([, node]) => node === host.id)
  const elsewhere = known.filter(([, node]) => node !== host.id)
  const moved = elsewhere.filter(([path, node]) => homeAway.get(path) !== node)
  const returned = there.filter(([path]) => homeBack.get(path) === host.id)
  return [
    `${balance}${load.failures.length > 0 ? `, ${load.failures.length} failed` : ''}`,
    String(there.length),
    `${moved.length} of ${elsewhere.length}`,
    `${returned.length} of ${there.length}`,
    ...[before, away, back].map(({ loads }) => String(loads)),
  ]
}

function start(pick) {
  return new Load({
    port: edge.port,
    rate: options.rate,
    next: () => ({ method: 'GET', path: `/f${pick()}` }),
  })
}

/** What was answered in that time, and how many loads there were. */
async function during(load, ms) {
  const first = load.answers.length
  const before = await loadsOf()
  await rest(ms)
  const after = await loadsOf()
  let loads = 0
  // A host that was started meanwhile counts from 0.
  for (const [id, count] of after) loads += count - Math.min(count, before.get(id) ?? 0)
  return { counted: load.answers.slice(first), loads }
}

async function loadsOf() {
  const all = edge.hosts.map(async host => [
    host.id,
    await host.metric('fezz_function_loads_total').catch(() => 0),
  ])
  return new Map(await Promise.all(all))
}

/** The host that has answered most of the requests of each function. */
function homes(answers) {
  const counts = new Map()
  for (const { path, node } of answers) {
    const own = counts.get(path) ?? new Map()
    own.set(node, (own.get(node) ?? 0) + 1)
    counts.set(path, own)
  }
  return new Map(
    Array.from(counts, ([path, own]) => [path, [...own].sort((a, b) => b[1] - a[1])[0][0]]),
  )
}

async function putAll(balance) {
  let revision
  for (let index = 0; index < options.functions; index++) {
    revision = await edge.put({ id: `f${index}`, path: `/f${index}` }, { balance })
  }
  return revision
}

function uniform() {
  return () => Math.floor(Math.random() * options.functions)
}

function zipf() {
  let sum = 0
  const sums = Array.from({ length: options.functions }, (_, index) => {
    sum += 1 / (index + 1) ** ZIPF
    return sum
  })
  return () => {
    const at = Math.random() * sum
    return sums.findIndex(upTo => at < upTo)
  }
}

/** After that long, what is seldom asked for has been unloaded at least once. */
function settleMs() {
  return 2 * Number.parseFloat(options.idleTtl) * 1_000
}

function percent(share) {
  return `${(share * 100).toFixed(share > 0.995 ? 2 : 1)}%`
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      functions: { type: 'string', default: '300' },
      rate: { type: 'string', default: '100' },
      seconds: { type: 'string', default: '30' },
      'idle-ttl': { type: 'string', default: '5s' },
      'load-ms': { type: 'string', default: '50' },
      dist: { type: 'string', default: new URL('../../dist', import.meta.url).pathname },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(USAGE)
    process.exit(0)
  }
  return {
    functions: Number(values.functions),
    rate: Number(values.rate),
    seconds: Number(values.seconds),
    idleTtl: values['idle-ttl'],
    loadMs: values['load-ms'],
    dist: resolve(values.dist),
  }
}

/** Progress, on one line that the next one replaces; not in a log file. */
function report(line) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`)
}
