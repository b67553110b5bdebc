import { writeSync } from 'node:fs'

/** Takes whole lines, each with its line end. */
export interface LineDestination {
  write(line: string): void
}

/**
 * Lines are written together up to this many bytes: what a pipe takes as a whole (PIPE_BUF on Linux),
 * so that those of several processes are not mixed within a line. Only a line that is longer than
 * this by itself may be, while the pipe is full.
 */
const BUFFER_BYTES = 4096
/** How long a full pipe is left alone before the next try. */
const RETRY_MS = 5

/**
 * Writes lines to a file descriptor synchronously, those of one turn of the event loop together:
 * one system call instead of one per line, and nothing is ever held back longer than that turn.
 */
export class BufferedDestination implements LineDestination {
  readonly #fd: number
  #pending = ''
  #pendingBytes = 0
  #scheduled = false
  readonly #flushLater = (): void => {
    this.#scheduled = false
    this.flush()
  }

  constructor(fd: number) {
    this.#fd = fd
  }

  write(line: string): void {
    const lineBytes = Buffer.byteLength(line)
    if (this.#pendingBytes + lineBytes > BUFFER_BYTES) this.flush()
    this.#pending += line
    this.#pendingBytes += lineBytes
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#flushLater)
  }

  /** Writes what is pending, waiting for a slow reader. A reader that is gone loses the lines. */
  flush(): void {
    let bytes = Buffer.from(this.#pending)
    this.#pending = ''
    this.#pendingBytes = 0
    while (bytes.length > 0) {
      try {
        bytes = bytes.subarray(writeSync(this.#fd, bytes))
      } catch (error) {
        // EAGAIN: the descriptor is a pipe that another process has made non-blocking.
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS)
      }
    }
  }
}

let standard: BufferedDestination | undefined

/**
 * The one destination over standard output, flushed when the process exits. There is one per
 * process because there is one standard output, and so that loggers made in number share one
 * exit listener.
 */
export function standardOutput(): BufferedDestination {
  if (!standard) {
    const destination = new BufferedDestination(1)
    process.once('exit', () => destination.flush())
    standard = destination
  }
  return standard
}
