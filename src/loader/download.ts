import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import type { Clock } from '../clock.ts'
import { FezzError } from '../errors.ts'

/** What a download may take. */
export interface DownloadLimits {
  /** Counted after a content encoding has been undone. */
  readonly maxBytes: number
  /** From the request to the last byte. */
  readonly totalMs: number
  /** Until the first byte, and between two pieces. */
  readonly stallMs: number
}

export interface DownloadOptions {
  /** Where it comes from, for messages. */
  readonly address: string
  /** Starts it. */
  readonly read: (signal: AbortSignal) => Promise<AsyncIterable<Uint8Array>>
  /** The file to be written; there must be none yet. */
  readonly path: string
  readonly limits: DownloadLimits
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** What has been written. */
export interface Downloaded {
  readonly sha256: string
  readonly sizeBytes: number
}

/**
 * Writes what comes to a file, piece by piece.
 *
 * @throws FezzError `ARTIFACT_UNAVAILABLE` when a limit is passed, and whatever `read` throws; the
 *   file is then of no use
 */
export async function download(options: DownloadOptions): Promise<Downloaded> {
  const { address, read, path, limits, clock } = options
  using patience = new Patience(address, limits, clock, options.signal)
  const { signal } = patience
  const hash = createHash('sha256')
  let sizeBytes = 0
  async function* pass(chunks: AsyncIterable<Uint8Array>) {
    for await (const chunk of chunks) {
      patience.renew()
      sizeBytes += chunk.length
      if (sizeBytes > limits.maxBytes) {
        throw unavailable(`${address} has more than ${limits.maxBytes} bytes, which is the limit`)
      }
      hash.update(chunk)
      yield chunk
    }
  }
  try {
    const chunks = await read(signal)
    // Not synced: what a crash cuts short is found by its hash, and a loaded function waits for this.
    await using file = await open(path, 'wx')
    await file.writeFile(pass(chunks))
  } catch (error) {
    signal.throwIfAborted()
    throw error
  }
  return { sha256: hash.digest('hex'), sizeBytes }
}

/** Aborts what takes too long, altogether or without a sign of life. */
class Patience implements Disposable {
  readonly #address: string
  readonly #limits: DownloadLimits
  readonly #clock: Clock
  readonly #outer: AbortSignal
  readonly #controller = new AbortController()
  readonly #total
  #stall

  constructor(address: string, limits: DownloadLimits, clock: Clock, outer: AbortSignal) {
    this.#address = address
    this.#limits = limits
    this.#clock = clock
    this.#outer = outer
    const { totalMs } = limits
    this.#total = clock.setTimer(() => this.#end(`took longer than ${totalMs} ms`), totalMs)
    this.#stall = this.#awaitNext()
    outer.addEventListener('abort', this.#abort)
    if (outer.aborted) this.#abort()
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** To be called at each sign of life. */
  renew(): void {
    this.#stall.cancel()
    this.#stall = this.#awaitNext()
  }

  [Symbol.dispose](): void {
    this.#total.cancel()
    this.#stall.cancel()
    this.#outer.removeEventListener('abort', this.#abort)
  }

  #awaitNext() {
    const { stallMs } = this.#limits
    return this.#clock.setTimer(() => this.#end(`sent nothing for ${stallMs} ms`), stallMs)
  }

  #end(reason: string): void {
    this.#controller.abort(unavailable(`${this.#address} ${reason}`))
  }

  readonly #abort = (): void => this.#controller.abort(this.#outer.reason)
}

function unavailable(reason: string): FezzError {
  return new FezzError('ARTIFACT_UNAVAILABLE', reason)
}
