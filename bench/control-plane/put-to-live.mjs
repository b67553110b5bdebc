import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as rest } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { FunctionStore } from '../../src/control-plane/function-store.ts'
import { openStore } from '../../src/control-plane/open-store.ts'
import { parseStoreUrl } from '../../src/control-plane/store-url.ts'
import { startEtcd } from '../../test/services/etcd.ts'
import { projectFolder } from '../fixtures.mjs'
import { percentile } from '../statistics.mjs'
import { formatBytes, formatMs, formatTable } from '../table.mjs'
import { HostProcess } from './cluster.mjs'
import { Functions } from './functions.mjs'

const USAGE = `usage: node bench/control-plane/put-to-live.mjs [flags]
  --functions A,B  how many there are; one table for each (10,10000)
  --puts N         measured puts of each kind (200)
  --hosts N        (3)
  --burst N        puts at once (1000)
  --cli FILE       the Fezz that is measured (dist/cli.js)
  --profile DIR    processor profile of the first host, written there when it ends
  --json FILE      also writes every sample there`

/** Functions that stay loaded on every host. */
const LOADED = 50
/** The others unload soon, so that every new version of theirs finds them unloaded. */
const IDLE_TTL = '300ms'

const KINDS = {
  'loaded: new version': {},
  'loaded: new code': { newCode: true },
  'unloaded: new version and route': { newPath: true, idleTtl: IDLE_TTL },
}

const COST_PUTS = 100
/** Until what a change has caused, such as a snapshot, is over. */
const SETTLE_MS = 2_000
const nothing = () => {}
const SILENT = { error: nothing, warn: nothing, info: nothing, debug: nothing, child: () => SILENT }

const options = readOptions()
const results = []
for (const functions of options.functions) results.push(await measure(functions))
for (const result of results) console.log(`\n${format(result)}`)
if (options.json) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`)

/** A cluster of its own for each number of functions. */
async function measure(count) {
  const folder = mkdtempSync(join(tmpdir(), 'fezz-bench-'))
  try {
    await using etcd = await startEtcd()
    const url = `etcd://127.0.0.1:${etcd.port}`
    await using store = await openStore(parseStoreUrl(url), { log: SILENT })
    const artifacts = join(folder, 'artifacts')
    const functions = new Functions(new FunctionStore(store), artifacts)
    report(`putting ${count} functions`)
    await functions.putAll(count)

    const hosts = Array.from(
      { length: options.hosts },
      (_, index) =>
        new HostProcess({
          cli: options.cli,
          id: `host-${index + 1}`,
          folder: join(folder, `host-${index + 1}`),
          env: { FEZZ_STORE: url, FEZZ_ARTIFACTS: artifacts },
          nodeArgs: index === 0 ? options.profile : [],
        }),
    )
    report('starting hosts')
    await Promise.all(hosts.map(host => host.start()))
    const loaded = Array.from({ length: Math.min(LOADED, count >> 1) }, (_, index) => index)
    for (const index of loaded) await Promise.all(hosts.map(host => host.ask(`/f${index}`)))
    const unloaded = Array.from({ length: count - loaded.length }, (_, i) => loaded.length + i)

    const load = [loadavg()[0]]
    const kinds = {}
    for (const [kind, how] of Object.entries(KINDS)) {
      report(kind)
      const among = how.newPath ? unloaded : loaded
      kinds[kind] = await putOneByOne(functions, hosts, among, how)
    }
    report('cost of a put')
    const cost = await costOfPuts(functions, hosts, loaded)
    report('burst')
    const burst = await putAtOnce(functions, hosts, loaded, unloaded)
    load.push(loadavg()[0])
    report('starts')
    const starts = await measureStarts(hosts.at(-1), etcd)
    await Promise.all(hosts.slice(0, -1).map(host => host.stop()))
    return { count, load, kinds, cost, burst, starts }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** From just before a put to the first answer of the new version, and from all hosts. */
async function putOneByOne(functions, hosts, among, { newPath = false, ...how }) {
  await rest(SETTLE_MS)
  await Promise.all(hosts.map(host => host.longestDelayMs()))
  // The answer of /_metrics is large and takes a while.
  await Promise.all(hosts.map(host => host.look()))
  const samples = []
  for (let count = 0; count < options.puts; count++) {
    // In turn, so that one that was loaded by its new version has been unloaded when it comes again.
    const index = newPath ? among[count % among.length] : pick(among)
    const next = functions.nextVersion
    const path = newPath ? `/f${index}/v${next}` : `/f${index}`
    const seen = hosts.map(host => host.sees(path, next))
    const { startedAt, putMs } = await functions.put(index, { newPath, ...how })
    const liveMs = (await Promise.all(seen)).map(seenAt => seenAt - startedAt)
    samples.push({ putMs, liveMs, allMs: Math.max(...liveMs) })
    await rest(50 + Math.random() * 100)
  }
  const turns = (await Promise.all(hosts.map(host => host.look()))).map(({ turn }) => turn)
  const delayMs = await Promise.all(hosts.map(host => host.longestDelayMs()))
  return { samples, turns, delayMs }
}

/** What a put costs a host that nobody asks anything: processor time beyond that of doing nothing. */
async function costOfPuts(functions, hosts, among) {
  const during = async work => {
    await rest(SETTLE_MS)
    await Promise.all(hosts.map(host => host.look()))
    const before = hosts.map(host => host.processorMs)
    const startedAt = performance.now()
    await work()
    const tookMs = performance.now() - startedAt
    const used = hosts.map((host, index) => host.processorMs - before[index])
    const turns = (await Promise.all(hosts.map(host => host.look()))).map(({ turn }) => turn)
    return { tookMs, used, turns }
  }
  const busy = await during(async () => {
    for (let count = 0; count < COST_PUTS; count++) {
      await functions.put(pick(among))
      await rest(100)
    }
    await rest(SETTLE_MS)
  })
  const idle = await during(() => rest(5_000))
  const perPutMs = busy.used.map(
    (used, index) => (used - (idle.used[index] / idle.tookMs) * busy.tookMs) / COST_PUTS,
  )
  return { perPutMs, turns: busy.turns, idleTurns: idle.turns }
}

/** Many puts as fast as the store takes them, the last one of a function that can be watched. */
async function putAtOnce(functions, hosts, loaded, unloaded) {
  await rest(SETTLE_MS)
  await Promise.all(hosts.map(host => host.look()))
  const before = hosts.map(host => host.processorMs)
  const indexes = Array.from({ length: options.burst - 1 }, () => pick(unloaded))
  const startedAt = performance.now()
  const { version, startedAt: lastAt, putMs } = await functions.putEach([...indexes, loaded[0]])
  const ackedAt = lastAt + putMs
  const live = await Promise.all(hosts.map(host => host.sees(`/f${loaded[0]}`, version)))
  await rest(SETTLE_MS)
  const used = hosts.map((host, index) => host.processorMs - before[index])
  const turns = (await Promise.all(hosts.map(host => host.look()))).map(({ turn }) => turn)
  return {
    puttingMs: ackedAt - startedAt,
    liveMs: Math.max(...live) - startedAt,
    behindMs: Math.max(...live) - lastAt,
    usedMs: used,
    turns,
  }
}

/** Of one host, the others being there: without and with a snapshot, and without the store. */
async function measureStarts(host, etcd) {
  const starts = {}
  const restart = async (name, prepare) => {
    await host.stop()
    await prepare()
    await host.start()
    const { turn, memory } = await host.look()
    await rest(SETTLE_MS)
    const { readyMs, startedFrom } = host
    starts[name] = { readyMs, startedFrom, turn, rssBytes: memory.rss, heapBytes: memory.heapUsed }
  }
  await restart('from the store, no snapshot', () => host.forget())
  await restart('from the store, with a snapshot', () => {})
  await restart('from the snapshot, store down (2 s of patience)', () => etcd.stop())
  await host.stop()
  return starts
}

function format({ count, load, kinds, cost, burst, starts }) {
  const ms = formatMs
  const names = Array.from({ length: options.hosts }, (_, index) => `host ${index + 1}`)
  const longest = turns => {
    const most = field => Math.max(...turns.map(turn => turn[field]))
    return [ms(most('clockMs')), ms(most('processorMs')), ms(most('collectionMs'))]
  }
  const quantiles = samples => [0.5, 0.9, 0.99, 1].map(q => ms(percentile(samples, q)))
  const live = Object.entries(kinds).flatMap(([kind, { samples }]) => [
    [kind, 'all', ...quantiles(samples.map(({ allMs }) => allMs))],
    ...names.map((name, index) => ['', name, ...quantiles(samples.map(s => s.liveMs[index]))]),
    ['', 'etcd put', ...quantiles(samples.map(({ putMs }) => putMs))],
  ])
  const turns = [
    ...Object.entries(kinds).map(([kind, { turns, delayMs }]) => [
      kind,
      ...longest(turns),
      ms(Math.max(...delayMs)),
    ]),
    ['a put every 100 ms, no requests', ...longest(cost.turns), '-'],
    ['nothing', ...longest(cost.idleTurns), '-'],
    [`${options.burst} puts at once`, ...longest(burst.turns), '-'],
  ]
  return [
    `${count.toLocaleString('en')} functions, ${options.hosts} hosts, ${options.puts} puts of each kind; load average ${load.map(value => value.toFixed(1)).join(' to ')}`,
    '',
    formatTable(['put to live', 'on', 'p50', 'p90', 'p99', 'max'], live),
    '',
    formatTable(['longest turn of a host', 'clock', 'processor', 'collection', '/_metrics'], turns),
    '',
    `processor time per put and host: ${cost.perPutMs.map(ms).join(', ')}`,
    `${options.burst} puts at once: written in ${ms(burst.puttingMs)}, live everywhere after ${ms(burst.liveMs)} (${ms(burst.behindMs)} after the last put began); processor time ${burst.usedMs.map(ms).join(', ')}`,
    '',
    formatTable(
      ['start of a host', 'ready', 'turn, clock', 'processor', 'collection', 'heap', 'RSS'],
      Object.entries(starts).map(([name, { readyMs, turn, heapBytes, rssBytes }]) => [
        name,
        ms(readyMs),
        ms(turn.clockMs),
        ms(turn.processorMs),
        ms(turn.collectionMs),
        formatBytes(heapBytes),
        formatBytes(rssBytes),
      ]),
    ),
  ].join('\n')
}

function pick(list) {
  return list[Math.floor(Math.random() * list.length)]
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      functions: { type: 'string', default: '10,10000' },
      puts: { type: 'string', default: '200' },
      hosts: { type: 'string', default: '3' },
      burst: { type: 'string', default: '1000' },
      cli: { type: 'string', default: join(projectFolder, 'dist', 'cli.js') },
      profile: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(USAGE)
    process.exit(0)
  }
  const { profile } = values
  return {
    functions: values.functions.split(',').map(Number),
    puts: Number(values.puts),
    hosts: Number(values.hosts),
    burst: Number(values.burst),
    cli: resolve(values.cli),
    profile: profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(profile)}`],
    json: values.json,
  }
}

/** Progress, on one line that the next one replaces; not in a log file. */
function report(line) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line.slice(0, 100)}`)
}
