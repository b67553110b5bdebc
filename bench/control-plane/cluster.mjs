import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as rest } from 'node:timers/promises'
import { processorSeconds } from '../machine.mjs'

const START_LIMIT_MS = 120_000
const LIVE_LIMIT_MS = 30_000
/** Between two questions to a host. */
const POLL_MS = 1

/** One `fezz serve --store ...`, a process of its own. */
export class HostProcess {
  #options
  #child
  #agent = new Agent({ keepAlive: true })
  #lines = []
  port = 0
  /** Of the last start: from the spawn to the line of the log that says `ready`. */
  readyMs = 0
  startedFrom = ''

  /** @param options `cli`, `id`, `folder` of its own, `env`, `nodeArgs` */
  constructor(options) {
    this.#options = options
  }

  get id() {
    return this.#options.id
  }

  /** Processor time that it has used so far, in milliseconds. */
  get processorMs() {
    return processorSeconds(this.#child.pid) * 1_000
  }

  /** Forgets the snapshot: the next start needs the store. */
  forget() {
    rmSync(join(this.#options.folder, 'state'), { recursive: true, force: true })
  }

  /** Starts it; resolves when its functions are in force. */
  async start() {
    const { cli, id, folder, env, nodeArgs = [] } = this.#options
    const startedAt = performance.now()
    const preload = new URL('./turns.mjs', import.meta.url).href
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith('FEZZ_'))
    this.#lines = []
    this.#child = spawn(process.execPath, [...nodeArgs, '--import', preload, cli, 'serve'], {
      env: {
        ...Object.fromEntries(own),
        FEZZ_HOST: '127.0.0.1',
        FEZZ_PORT: '0',
        FEZZ_NODE_ID: id,
        FEZZ_CACHE_DIR: join(folder, 'cache'),
        FEZZ_STATE_DIR: join(folder, 'state'),
        FEZZ_DRAIN_DELAY: '0',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    })
    running.add(this.#child)
    this.#child.once('exit', () => running.delete(this.#child))
    const ready = Promise.withResolvers()
    createInterface({ input: this.#child.stdout }).on('line', text => {
      const line = JSON.parse(text)
      this.#lines.push(line)
      if (line.msg.startsWith('listening')) {
        this.port = line.port
        // What it did before it listened has held nobody up.
        void this.look()
      }
      if (line.msg === 'ready') ready.resolve(line)
    })
    this.#child.once('exit', code =>
      ready.reject(new Error(`${id} ended with ${code}: ${this.#said()}`)),
    )
    const limit = setTimeout(
      () => ready.reject(new Error(`${id}: ${this.#said()}`)),
      START_LIMIT_MS,
    )
    this.startedFrom = (await ready.promise).startedFrom
    this.readyMs = performance.now() - startedAt
    clearTimeout(limit)
    return this
  }

  async stop() {
    this.#agent.destroy()
    this.#agent = new Agent({ keepAlive: true })
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    await ended
  }

  /** Longest turn since the last call, and memory, as turns.mjs tells them. */
  async look() {
    const answer = once(this.#child, 'message')
    this.#child.send('look')
    return (await answer)[0]
  }

  /** Status and body of a GET, over a connection that is kept. */
  ask(path, headers = {}) {
    const { promise, resolve, reject } = Promise.withResolvers()
    const request = get({ port: this.port, host: '127.0.0.1', path, headers, agent: this.#agent })
    request.once('error', reject)
    request.once('response', response => {
      let body = ''
      response.setEncoding('utf8').on('data', chunk => {
        body += chunk
      })
      response.once('end', () => resolve({ status: response.statusCode, body }))
    })
    return promise
  }

  /** Asks again and again until the answer is `body`. @returns when that was, on this process's clock */
  async sees(path, body) {
    const until = performance.now() + LIVE_LIMIT_MS
    let answer
    do {
      answer = await this.ask(path)
      if (answer.body === body) return performance.now()
      await rest(POLL_MS)
    } while (performance.now() < until)
    throw new Error(`${this.id} ${path}: ${answer.status} ${answer.body}, not ${body}`)
  }

  /** The longest delay since the last scrape, as the host itself tells it. */
  async longestDelayMs() {
    const { body } = await this.ask('/_metrics')
    const [, seconds] = /^fezz_event_loop_delay_seconds\{quantile="1"\} (\S+)$/m.exec(body)
    return Number(seconds) * 1_000
  }

  #said() {
    return JSON.stringify(this.#lines.slice(-3))
  }
}

const running = new Set()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
