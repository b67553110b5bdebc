import type { Random } from './random.ts'

/** `bytes` as they may arrive: whole, in a few parts, or in very small ones. */
export function randomSplit(random: Random, bytes: Buffer): Buffer[] {
  const kind = random.below(10)
  if (kind < 3) return [bytes]
  if (kind === 3 && bytes.length < 1_500) return smallParts(random, bytes)
  const cuts = Array.from({ length: 1 + random.below(5) }, () => random.below(bytes.length + 1))
  return cut(bytes, cuts)
}

/** `bytes` cut at these places. */
export function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const parts: Buffer[] = []
  let from = 0
  for (const place of [...places.toSorted((a, b) => a - b), bytes.length]) {
    if (place > from) parts.push(bytes.subarray(from, place))
    from = Math.max(from, place)
  }
  return parts
}

/** Each byte by itself. */
export function byteByByte(bytes: Buffer): Buffer[] {
  return Array.from({ length: bytes.length }, (_, at) => bytes.subarray(at, at + 1))
}

function smallParts(random: Random, bytes: Buffer): Buffer[] {
  const most = 1 + random.below(4)
  const parts: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + 1 + random.below(most))
    parts.push(bytes.subarray(at, end))
    at = end
  }
  return parts
}
