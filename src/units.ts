/** Milliseconds per unit of a duration. */
const DURATION_UNITS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])

/** Bytes per unit of a size, under the lower-case unit. */
const SIZE_UNITS: ReadonlyMap<string, number> = new Map([
  ['b', 1],
  ['kb', 1e3],
  ['mb', 1e6],
  ['gb', 1e9],
  ['kib', 2 ** 10],
  ['mib', 2 ** 20],
  ['gib', 2 ** 30],
])

/** A number, then perhaps a unit. */
const QUANTITY = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i

/** Past this, Node's timers fire at once instead of late. */
const MAX_DURATION_MS = 2 ** 31 - 1

/**
 * Reads a duration: a plain number in units of `numberUnitMs` (default 1000: seconds), or text such
 * as `"500ms"`, `"30s"`, `"5m"`, `"1h"`, `"1d"`; digits alone are a plain number too.
 *
 * @returns milliseconds, 0 or more
 * @throws RangeError when it is neither, negative, or longer than a timer can wait (24 days)
 */
export function parseDuration(input: number | string, numberUnitMs = 1_000): number {
  const durationMs = parseQuantity(input, DURATION_UNITS, numberUnitMs)
  if (durationMs === undefined) {
    const unit = numberUnitMs === 1 ? 'milliseconds' : 'seconds'
    throw new RangeError(
      `${quoted(input)} is not a duration; write a number of ${unit}, or text such as "500ms", "30s", "5m", "1h"`,
    )
  }
  if (durationMs > MAX_DURATION_MS) {
    throw new RangeError(`${quoted(input)} is longer than a timer can wait; write at most "24d"`)
  }
  return durationMs
}

/**
 * Reads a size: a plain number of bytes, or text such as `"10MiB"`, `"64KiB"`, `"1GB"` (KB is 1000
 * bytes, KiB is 1024; case does not matter).
 *
 * @returns whole bytes, 0 or more
 * @throws RangeError when it is neither
 */
export function parseSize(input: number | string): number {
  const sizeBytes = Math.round(parseQuantity(input, SIZE_UNITS, 1) ?? Number.NaN)
  if (!Number.isSafeInteger(sizeBytes)) {
    throw new RangeError(
      `${quoted(input)} is not a size; write a number of bytes, or text such as "64KiB", "10MiB", "1GB"`,
    )
  }
  return sizeBytes
}

function parseQuantity(
  input: number | string,
  units: ReadonlyMap<string, number>,
  plainUnit: number,
): number | undefined {
  if (typeof input === 'number') {
    return Number.isFinite(input) && input >= 0 ? input * plainUnit : undefined
  }
  const match = typeof input === 'string' ? QUANTITY.exec(input.trim()) : null
  if (match === null) return undefined
  const [, amount = '', name = ''] = match
  const unit = name === '' ? plainUnit : units.get(name.toLowerCase())
  return unit === undefined ? undefined : Number(amount) * unit
}

/** JSON has no NaN and no Infinity. */
function quoted(input: unknown): string {
  return typeof input === 'number' ? String(input) : JSON.stringify(input)
}
