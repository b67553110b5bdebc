import { createHash } from 'node:crypto'

const PERIOD = 65_521
/** Longer than a chunk and prime: a chunk that is lost, doubled or moved shows. */
const block = Uint8Array.from({ length: PERIOD }, (_, at) => (at * 31 + (at >> 7)) % 256)

/** `size` bytes that are the same each time. */
export function patternBytes(size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size)
  for (let at = 0; at < size; at += PERIOD) bytes.set(block.subarray(0, size - at), at)
  return bytes
}

/** The bytes of {@link patternBytes} as a stream of chunks, made as they are asked for. */
export function patternStream(size: number, chunkSize = 1_000_003): ReadableStream<Uint8Array> {
  let sent = 0
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const chunk = new Uint8Array(Math.min(chunkSize, size - sent))
        for (let at = 0; at < chunk.length; ) {
          const from = (sent + at) % PERIOD
          const piece = block.subarray(from, from + chunk.length - at)
          chunk.set(piece, at)
          at += piece.length
        }
        sent += chunk.length
        if (chunk.length > 0) controller.enqueue(chunk)
        if (sent === size) controller.close()
      },
    },
    { highWaterMark: 0 },
  )
}

/** What a body was: enough to tell it from any other. */
export interface Digest {
  readonly bytes: number
  readonly sha256: string
}

/** Reads a body to its end, holding none of it. */
export async function digestOf(body: ReadableStream<Uint8Array> | null): Promise<Digest> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of body ?? []) {
    hash.update(chunk)
    bytes += chunk.byteLength
  }
  return { bytes, sha256: hash.digest('hex') }
}
