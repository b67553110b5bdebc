import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { compare, formatComparison } from './compare.mjs'
import { measureExecutors } from './executors/executors.mjs'
import { formatExecutors } from './executors/table.mjs'
import { projectFolder } from './fixtures.mjs'
import { HTTP_SCENARIOS, measureHttp } from './http/http.mjs'
import { httpPeers } from './http/peers.mjs'
import { formatHttp } from './http/table.mjs'
import { formatLifecycle } from './lifecycle-table.mjs'
import { coresEnvironment, isInstalled, moveToLoadCore, onServerCore, pinned } from './machine.mjs'
import { allPeers, baseline } from './peers.mjs'

const known = allPeers()
const knownHttp = httpPeers()
const WORDS = ['lifecycle', 'executors', 'http']
const USAGE = `usage: npm run bench -- [executors] [http] [flags]
  executors       the executors side by side, and nothing else
  http            HTTP work of several kinds, and nothing else
  --only a,b      these servers beside bare node:http (${idsOf(known)}),
                  'lifecycle', 'executors' and 'http'; with http, these of its own
                  (${idsOf(knownHttp)})
  --scenario a,b  of http, these alone (${HTTP_SCENARIOS.join(', ')})
  --rounds N      times that each server is measured (5)
  --seconds S     length of one measurement, after a warm-up of 1 s (2)
  --quick         2 rounds of 1 s
  --json FILE     also writes every sample there`

const options = readOptions()
if (!isInstalled('wrk')) {
  stop('wrk makes the load and is not on PATH: apt-get install wrk, or brew install wrk')
}
moveToLoadCore()
const machine = `Node ${process.version}, ${cpus()[0]?.model ?? 'unknown processor'}`
console.log(`${machine}; ${pinned ? 'one core each for server and wrk' : 'NOT pinned to cores'}\n`)

const comparison = options.peers.length > 1 ? await compare(options.peers, options) : []
const lifecycle = options.lifecycle ? await runLifecycle() : undefined
const executors = options.executors ? await measureExecutors(options) : undefined
const http = options.http ? await measureHttp(options.http, options.scenarios, options) : undefined
report('')
if (comparison.length > 0) console.log(`${formatComparison(comparison)}\n`)
if (lifecycle) console.log(formatLifecycle(lifecycle))
if (executors) console.log(formatExecutors(executors))
if (http) console.log(formatHttp(http))
if (options.json) {
  mkdirSync(dirname(options.json), { recursive: true })
  writeFileSync(
    options.json,
    `${JSON.stringify({ machine, pinned, comparison, lifecycle, executors, http }, null, 2)}\n`,
  )
}

function readOptions() {
  let values
  let positionals
  try {
    const parsed = parseArgs({
      allowPositionals: true,
      options: {
        only: { type: 'string' },
        scenario: { type: 'string' },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        quick: { type: 'boolean', default: false },
        json: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    })
    values = parsed.values
    positionals = parsed.positionals
  } catch (error) {
    stop(`${error.message}\n${USAGE}`)
  }
  if (values.help) {
    console.log(USAGE)
    process.exit(0)
  }
  const whole = (name, fallback) => {
    const value = Number(values[name] ?? fallback)
    // wrk takes whole seconds only.
    if (!Number.isInteger(value) || value < 1)
      stop(`--${name} ${values[name]}: not a whole number from 1`)
    return value
  }
  const named = [...(values.only?.split(',') ?? []), ...positionals]
  const only = named.length > 0 ? named : undefined
  const isHttp = only?.includes('http') ?? false
  const chosen = peers => peers.filter(({ id }) => id === baseline.id || !only || only.includes(id))
  const servers = isHttp ? knownHttp : known
  const unknown = only?.find(id => !WORDS.includes(id) && !servers.some(peer => peer.id === id))
  if (unknown !== undefined) stop(`--only ${unknown}: no such server\n${USAGE}`)
  const scenarios = values.scenario?.split(',') ?? HTTP_SCENARIOS
  const unknownScenario = scenarios.find(name => !HTTP_SCENARIOS.includes(name))
  if (unknownScenario !== undefined) {
    stop(`--scenario ${unknownScenario}: no such scenario\n${USAGE}`)
  }
  if (values.scenario !== undefined && !isHttp) stop(`--scenario is for http\n${USAGE}`)
  const ofHttp = chosen(knownHttp)
  return {
    peers: isHttp ? [] : chosen(known),
    lifecycle: !only || only.includes('lifecycle'),
    // Minutes, and a container engine: for those who ask.
    executors: only?.includes('executors') ?? false,
    // Minutes too. Without servers beside the yardstick, all of them.
    http: isHttp ? (ofHttp.length > 1 ? ofHttp : knownHttp) : undefined,
    scenarios,
    rounds: whole('rounds', values.quick ? 2 : 5),
    seconds: whole('seconds', values.quick ? 1 : 2),
    warmUpSeconds: 1,
    json: values.json,
    report,
  }
}

function idsOf(peers) {
  return peers.map(({ id }) => id).join(', ')
}

/** Its own process, on the server's core: what it measures happens inside the host. */
async function runLifecycle() {
  const script = join(projectFolder, 'bench', 'lifecycle.mjs')
  const [file, ...args] = onServerCore([process.execPath, '--expose-gc', script, '--json'])
  const child = spawn(file, args, {
    env: { ...process.env, ...coresEnvironment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  process.once('exit', () => child.kill())
  let output = ''
  child.stdout.on('data', chunk => {
    output += chunk
  })
  let lastLine = ''
  child.stderr.setEncoding('utf8').on('data', chunk => {
    for (const line of chunk.split('\n')) {
      if (line === '') continue
      lastLine = line
      report(line)
    }
  })
  const exitCode = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (exitCode === 0) return JSON.parse(output)
  return { unavailable: lastLine || `exit code ${exitCode}` }
}

/** Progress, on one line that the next one replaces; not in a log file. */
function report(line) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line.slice(0, 100)}`)
}

function stop(message) {
  console.error(message)
  process.exit(1)
}
