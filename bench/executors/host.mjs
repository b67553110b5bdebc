import { spawn } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { projectFolder } from '../fixtures.mjs'
import { coresEnvironment, freePort, onServerCore, pinned } from '../machine.mjs'
import { Client } from './client.mjs'

// As in peers.mjs: another build than that in dist, such as one that nobody rebuilds meanwhile.
const cli = process.env['BENCH_CLI'] ?? join(projectFolder, 'dist', 'cli.js')
const START_LIMIT_MS = 30_000
/** More than a host takes to end its instances. */
const STOP_LIMIT_MS = 20_000
const POLL_MS = 5

const running = new Set()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/**
 * Starts `fezz serve` over `files`, and resolves when it answers for its health; nothing is loaded.
 * @param files as of writeFunctions()
 * @param settings FEZZ_* variables beside the common ones
 * @param options `isSpread`: it may use all cores and not the server's alone
 * @returns `pid`, `url`, `client` (one kept connection) and `stop()`, which ends its instances too
 * @throws when it ends or is not ready in 30 s; the message has what it said
 */
export async function startHost(files, settings, { isSpread = false } = {}) {
  if (!existsSync(cli)) throw new Error('dist/cli.js is missing: npm run build')
  const port = await freePort()
  mkdirSync(files.run, { recursive: true })
  const command = [process.execPath, cli, 'serve', files.functions, '--port', String(port)]
  const [file, ...args] = isSpread ? onAllCores(command) : onServerCore(command)
  const child = spawn(file, args, {
    env: {
      ...withoutFezz(process.env),
      NODE_ENV: 'production',
      FEZZ_HOST: '127.0.0.1',
      FEZZ_LOG_LEVEL: 'warn',
      FEZZ_CACHE_DIR: files.cache,
      FEZZ_RUN_DIR: files.run,
      FEZZ_IDLE_TTL: '1h',
      FEZZ_DRAIN_DELAY: '0s',
      ...settings,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', chunk => {
      said = (said + chunk).slice(-10_000)
    })
  }
  let end
  const ended = new Promise(resolve => {
    child.once('error', resolve)
    child.once('exit', (code, signal) => resolve(new Error(signal ?? `exit code ${code}`)))
  }).then(error => {
    running.delete(child)
    end = error
  })
  const client = new Client(port)
  const stop = async () => {
    client.close()
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS)
    await ended
    clearTimeout(timer)
  }

  const until = performance.now() + START_LIMIT_MS
  for (;;) {
    const isReady = await client.ask('/_health').then(
      () => true,
      () => false,
    )
    if (isReady) return { pid: child.pid, url: `http://127.0.0.1:${port}`, client, stop }
    if (end !== undefined || performance.now() > until) {
      const reason = end?.message ?? 'no answer in 30 s'
      await stop()
      throw new Error(`the host did not start (${reason}): ${lastLine(said)}`)
    }
    await sleep(POLL_MS)
  }
}

function onAllCores(command) {
  return pinned ? ['taskset', '-c', coresEnvironment.BENCH_CORES, ...command] : command
}

function withoutFezz(environment) {
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => !name.startsWith('FEZZ_')),
  )
}

function lastLine(text) {
  return text.trim().split('\n').at(-1).slice(0, 300)
}
