import { readdirSync } from 'node:fs'
import { request } from 'node:http'
import { resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import type { ListenerKind } from '../../../src/http/listener.ts'
import { type CliHost, serve } from '../../helpers/cli.ts'

const CLI = resolve(import.meta.dirname, '../../../dist/cli.js')
const FUNCTIONS = resolve(import.meta.dirname, 'functions')

/** Large blocks go back to the system when they are freed, so that what stays is seen. */
const ALLOCATOR = { MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_TRIM_THRESHOLD_: '131072' }

/** Short enough for a test, and each apart from the others. */
const LIMITS = {
  FEZZ_KEEP_ALIVE_TIMEOUT: '1s',
  FEZZ_HEADERS_TIMEOUT: '1500ms',
  FEZZ_REQUEST_TIMEOUT: '6s',
  FEZZ_MIN_BODY_RATE: '1KiB',
  FEZZ_RESPONSE_STALL_TIMEOUT: '2s',
}

/** Memory of the host in bytes. */
export interface Memory {
  readonly usedBytes: number
  readonly residentBytes: number
}

/** A real host under attack, over one of the listeners. */
export class AttackedHost implements AsyncDisposable {
  readonly #host: CliHost

  private constructor(host: CliHost) {
    this.#host = host
  }

  static async start(listener: ListenerKind, settings = {}): Promise<AttackedHost> {
    const host = await serve([FUNCTIONS], {
      command: [process.execPath, '--expose-gc', CLI],
      env: { FEZZ_LISTENER: listener, ...ALLOCATOR, ...LIMITS, ...settings },
    })
    return new AttackedHost(host)
  }

  get port(): number {
    return this.#host.port
  }

  /** Files and sockets that it has open. */
  get descriptors(): number {
    return readdirSync(`/proc/${this.#host.child.pid}/fd`).length
  }

  /** How many requests and connections it has refused or cut, by code. */
  async rejected(): Promise<Readonly<Record<string, number>>> {
    const exposition = await this.#get('/_metrics')
    const lines = exposition.matchAll(/^fezz_requests_rejected_total\{code="(\w+)"\} (\d+)$/gm)
    return Object.fromEntries(Array.from(lines, ([, code, count]) => [code, Number(count)]))
  }

  async memory(): Promise<Memory> {
    return JSON.parse(await this.#get('/memory'))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#host[Symbol.asyncDispose]()
  }

  /** On a connection that is gone afterwards. */
  #get(path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      request({ host: '127.0.0.1', port: this.port, path, agent: false }, response => {
        text(response).then(resolve, reject)
      })
        .on('error', reject)
        .end()
    })
  }
}
