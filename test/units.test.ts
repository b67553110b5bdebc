import { describe, expect, it } from 'vitest'
import { parseDuration, parseSize } from '../src/units.ts'

const quoted = (input: string | number) =>
  typeof input === 'string' ? `"${input}"` : String(input)

describe('parseDuration', () => {
  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['1d', 86_400_000],
    ['1.5s', 1_500],
    [' 2 S ', 2_000],
    ['30', 30_000],
    [30, 30_000],
    [0.25, 250],
    [0, 0],
    ['24d', 24 * 86_400_000],
  ])('reads %j as %i ms', (input, durationMs) => {
    expect(parseDuration(input)).toBe(durationMs)
  })

  it('reads a plain number in the unit it is given', () => {
    expect(parseDuration(250, 1)).toBe(250)
    expect(parseDuration('250', 1)).toBe(250)
    expect(parseDuration('250s', 1)).toBe(250_000)
  })

  it.each(['', 'soon', '5 parsecs', '-1s', '1s2', 's', -1, Number.NaN, Number.POSITIVE_INFINITY])(
    'refuses %o, naming it and giving an example',
    input => {
      expect(() => parseDuration(input)).toThrow(RangeError)
      expect(() => parseDuration(input)).toThrow(
        `${quoted(input)} is not a duration; write a number of seconds, or text such as "500ms"`,
      )
    },
  )

  it('refuses units that only look like properties of an object', () => {
    expect(() => parseDuration('1constructor')).toThrow(RangeError)
    expect(() => parseSize('1toString')).toThrow(RangeError)
  })

  it('refuses what a timer would turn into no wait at all', () => {
    expect(() => parseDuration('25d')).toThrow('"25d" is longer than a timer can wait')
  })
})

describe('parseSize', () => {
  it.each([
    ['10MiB', 10_485_760],
    ['64KiB', 65_536],
    ['1GB', 1_000_000_000],
    ['1gib', 1_073_741_824],
    ['2 kb', 2_000],
    ['512b', 512],
    ['1.5KiB', 1_536],
    ['4096', 4_096],
    [4_096, 4_096],
    [0, 0],
  ])('reads %j as %i bytes', (input, sizeBytes) => {
    expect(parseSize(input)).toBe(sizeBytes)
  })

  it.each(['', 'big', '10 MiBs', '-1KB', -1, Number.NaN, '9999999999GB'])(
    'refuses %o, naming it and giving an example',
    input => {
      expect(() => parseSize(input)).toThrow(RangeError)
      expect(() => parseSize(input)).toThrow(`${quoted(input)} is not a size; write`)
      expect(() => parseSize(input)).toThrow('"10MiB"')
    },
  )
})
