import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { onLoadCore, processorSeconds } from './machine.mjs'

const SCRIPT = fileURLToPath(new URL('wrk/request.lua', import.meta.url))
const SAMPLE_MS = 20
const UNIT_MS = { us: 0.001, ms: 1, s: 1_000, m: 60_000 }

/**
 * Loads `url` for `seconds` from the load core: one thread, connections kept alive.
 * @param options `connections` (64); `method` (GET), `headers` (none beside Host) and `bodyBytes` (0)
 *   of the request
 * @returns requests per second, latencies in milliseconds, `busy`: the share of its core that wrk
 * used (0 to 1; near 1 it may be the limit itself), and what went wrong ('' for nothing)
 */
export async function load(url, seconds, options = {}) {
  const { connections = 64, method = 'GET', headers = {}, bodyBytes = 0 } = options
  const request = [method, String(bodyBytes), ...Object.entries(headers).flat()]
  const command = ['wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '--latency']
  command.push('-s', SCRIPT, url, '--', ...request)
  const [file, ...args] = onLoadCore(command)
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', chunk => {
    output += chunk
  })
  let used = 0
  const timer = setInterval(() => {
    used = processorSeconds(child.pid) ?? used
  }, SAMPLE_MS)
  try {
    await new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
  } finally {
    clearInterval(timer)
  }
  return { ...parse(output), busy: used / seconds }
}

function parse(output) {
  const requestsPerSecond = Number(/^Requests\/sec:\s*([\d.]+)/m.exec(output)?.[1])
  if (Number.isNaN(requestsPerSecond)) throw new Error(`wrk said: ${output.trim()}`)
  return {
    requestsPerSecond,
    p50Ms: latency(output, 50),
    p99Ms: latency(output, 99),
    errors: output
      .split('\n')
      .filter(line => /Non-2xx|Socket errors/.test(line))
      .map(line => line.trim())
      .join('; '),
  }
}

function latency(output, percent) {
  const [, value, unit] = new RegExp(`^\\s+${percent}%\\s+([\\d.]+)(us|ms|s|m)`, 'm').exec(output)
  return Number(value) * UNIT_MS[unit]
}
