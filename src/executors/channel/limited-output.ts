import type { LineAllowance } from '../line-allowance.ts'

/** Of a writable stream, whose encoding may be left out. */
type Write = (chunk: unknown, encoding?: unknown, callback?: unknown) => boolean

/**
 * Drops what this thread or process prints beyond its allowance before it goes on its way: until the
 * host had dropped it, it would fill the memory of one of them. A piece of a line counts as a line.
 * It is no bound for code that means to get around it; that one is the host's.
 */
export function limitOutput(allowance: LineAllowance): void {
  for (const stream of [process.stdout, process.stderr]) limitStream(stream, allowance)
}

function limitStream(stream: NodeJS.WriteStream, allowance: LineAllowance): void {
  const write = stream.write.bind(stream) as Write
  /** Told together: one tick for each line of a flood would be a flood of its own. */
  let dropped: unknown[] = []
  const tell = (): void => {
    const callbacks = dropped
    dropped = []
    for (const callback of callbacks) if (typeof callback === 'function') callback()
  }
  const limited: Write = (chunk, encoding, callback) => {
    if (allowance.take()) return write(chunk, encoding, callback)
    if (dropped.push(callback ?? encoding) === 1) process.nextTick(tell)
    return true
  }
  stream.write = limited as typeof stream.write
}
