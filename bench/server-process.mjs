import { spawn } from 'node:child_process'
import { connect } from 'node:net'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort, onServerCore } from './machine.mjs'

const START_LIMIT_MS = 30_000
const STOP_LIMIT_MS = 1_000
const POLL_MS = 1
const HELLO = 'Hello, World!'

const running = new Set()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

/**
 * Starts a server on the server's core and waits for its first 200 with "Hello, World!" in it.
 * @param peer `command(port, scenario)` and `env` as in peers.mjs
 * @param scenario `method` and `path` to ask for (a GET of /hello); what is sent with a POST is the
 *   same text, for it to come back
 * @returns `startMs` from spawn to that answer, `pid`, `url` with that path, and `stop()`
 * @throws when it ends, answers something else, or stays silent for 30 s; the message says which
 */
export async function startServer(peer, scenario = {}) {
  const { path = '/hello' } = scenario
  const request = requestOf(path, scenario)
  const port = await freePort()
  const [file, ...args] = onServerCore(peer.command(port, scenario))
  const startedAt = performance.now()
  const child = spawn(file, args, {
    env: { ...process.env, NODE_ENV: 'production', ...peer.env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  running.add(child)
  let end
  const ended = new Promise(resolve => {
    child.once('error', error => {
      end = error.message
      resolve()
    })
    child.once('exit', (code, signal) => {
      end = `it ended (${signal ?? `exit code ${code}`})`
      resolve()
    })
  }).then(() => running.delete(child))
  let stderr = ''
  child.stderr.on('data', chunk => {
    stderr = (stderr + chunk).slice(-10_000)
  })

  const stop = async () => {
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS)
    await ended
    clearTimeout(timer)
  }
  for (let answer = ''; !isHello(answer); answer = await ask(port, request)) {
    const late = performance.now() - startedAt > START_LIMIT_MS
    if (end || late) {
      await stop()
      const reason = end ?? (answer ? `it answered ${statusLine(answer)}` : 'no answer in 30 s')
      throw new Error([reason, complaint(stderr)].filter(Boolean).join(': '))
    }
    await sleep(POLL_MS)
  }
  const startMs = performance.now() - startedAt
  return { startMs, pid: child.pid, url: `http://127.0.0.1:${port}${path}`, stop }
}

function requestOf(path, { method = 'GET', headers = {} }) {
  const body = method === 'GET' ? '' : HELLO
  const fields = {
    ...headers,
    Host: '127.0.0.1',
    Connection: 'close',
    ...(body && { 'Content-Length': body.length }),
  }
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`
}

/** One request on a socket of its own: the whole answer, '' while nobody listens. */
async function ask(port, request) {
  let answer = ''
  const socket = connect(port, '127.0.0.1')
  socket.setEncoding('latin1')
  socket.on('data', chunk => {
    answer += chunk
  })
  // Refused is the expected answer until the server listens; 'close' follows.
  socket.on('error', () => {})
  socket.setTimeout(START_LIMIT_MS, () => socket.destroy())
  socket.write(request)
  await new Promise(resolve => socket.once('close', resolve))
  return answer
}

function isHello(answer) {
  return /^HTTP\/1\.1 200 /.test(answer) && answer.includes(HELLO)
}

function statusLine(answer) {
  return answer.slice(0, answer.indexOf('\r\n'))
}

/** The line of stderr that says most: the first that names an error, else the last. */
function complaint(stderr) {
  const lines = stderr.split('\n').map(line => line.trim())
  return lines.find(line => /error/i.test(line)) ?? lines.findLast(line => line !== '') ?? ''
}
