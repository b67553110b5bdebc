import type { Clock } from '../clock.ts'
import type { Logger } from '../telemetry/logger.ts'
import { LineAllowance, OUTPUT_RATE, PRINTS_TOO_MUCH } from './line-allowance.ts'

/** Where a program writes. */
export type OutputStream = 'stdout' | 'stderr'

export interface OutputLogOptions {
  readonly log: Logger
  /** Whose output it is. */
  readonly functionId: string
  /** Default: the machine's. */
  readonly clock?: Clock
  /** Lines in the long run. Default {@link OUTPUT_RATE}. */
  readonly linesPerSecond?: number
  /** Lines at once after a silence. Default {@link OUTPUT_RATE}. */
  readonly burstLines?: number
  /** What is longer is cut. Default 8 KiB. */
  readonly maxLineBytes?: number
}

const NEWLINE = 0x0a
const CARRIAGE_RETURN = 0x0d

/**
 * Writes what a program prints into the log, a line each, stdout as info and stderr as warn. A
 * program that prints too much does not fill the log: what is over the rate is counted and dropped,
 * and the count is logged once a second.
 */
export class OutputLog {
  readonly #log: Logger
  readonly #functionId: string
  readonly #allowance: LineAllowance
  readonly #stdout: LineSplitter
  readonly #stderr: LineSplitter
  #isClosed = false

  constructor(options: OutputLogOptions) {
    const { log, functionId, maxLineBytes = 8_192 } = options
    this.#log = log
    this.#functionId = functionId
    this.#allowance = new LineAllowance({
      ...OUTPUT_RATE,
      ...options,
      report: dropped => log.warn({ functionId, dropped }, PRINTS_TOO_MUCH),
    })
    const allowance = this.#allowance
    this.#stdout = new LineSplitter(maxLineBytes, allowance, line => this.#line('stdout', line))
    this.#stderr = new LineSplitter(maxLineBytes, allowance, line => this.#line('stderr', line))
  }

  /** Takes what was printed, cut anywhere. */
  write(stream: OutputStream, chunk: Uint8Array): void {
    if (this.#isClosed) return
    const splitter = stream === 'stdout' ? this.#stdout : this.#stderr
    splitter.push(chunk)
  }

  /** Logs what has no line end yet, and what was dropped since the last report. Idempotent. */
  close(): void {
    if (this.#isClosed) return
    this.#stdout.end()
    this.#stderr.end()
    this.#isClosed = true
    this.#allowance.close()
  }

  #line(stream: OutputStream, bytes: Buffer): void {
    const text = bytes.toString()
    const fields = { functionId: this.#functionId, stream }
    if (stream === 'stdout') this.#log.info(fields, text)
    else this.#log.warn(fields, text)
  }
}

/**
 * Cuts bytes into lines of at most so many bytes; the rest of a longer one is skipped. A line that is
 * not allowed costs next to nothing: a flood of them would keep the host from its other work.
 */
class LineSplitter {
  readonly #maxBytes: number
  readonly #allowance: LineAllowance
  readonly #line: (line: Buffer) => void
  /** The beginning of a line whose end has not come. */
  #pieces: Buffer[] = []
  #length = 0

  constructor(maxBytes: number, allowance: LineAllowance, line: (line: Buffer) => void) {
    this.#maxBytes = maxBytes
    this.#allowance = allowance
    this.#line = line
  }

  push(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    let start = 0
    for (;;) {
      const begin = start
      const end = bytes.indexOf(NEWLINE, begin)
      if (end === -1) break
      start = end + 1
      if (this.#allowance.take()) {
        this.#keep(bytes.subarray(begin, end))
        this.#emit()
        continue
      }
      // No other line of this chunk is allowed either: no time passes meanwhile.
      this.#clear()
      const last = bytes.lastIndexOf(NEWLINE)
      this.#allowance.drop(newlinesIn(bytes, start, last))
      start = last + 1
      break
    }
    // A copy: a few bytes must not keep all of a large chunk in memory.
    if (start < bytes.length) this.#keep(Buffer.from(bytes.subarray(start)))
  }

  end(): void {
    if (this.#length > 0 && this.#allowance.take()) this.#emit()
    this.#clear()
  }

  #keep(piece: Buffer): void {
    const fitting = piece.subarray(0, this.#maxBytes - this.#length)
    if (fitting.length === 0) return
    this.#pieces.push(fitting)
    this.#length += fitting.length
  }

  #emit(): void {
    const whole = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces)
    this.#clear()
    this.#line(whole.at(-1) === CARRIAGE_RETURN ? whole.subarray(0, -1) : whole)
  }

  #clear(): void {
    this.#pieces = []
    this.#length = 0
  }
}

/** How many there are from `start` to `last`, both included. */
function newlinesIn(bytes: Buffer, start: number, last: number): number {
  let count = 0
  for (let at = start; at <= last; at++) if (bytes[at] === NEWLINE) count++
  return count
}
