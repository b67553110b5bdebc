import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { normaliseAuthority } from '../../src/http/authority.ts'
import { ownText } from '../../src/http/own-text.ts'
import { lowerName } from '../../src/http/web/fields.ts'

const MEBIBYTE = 1_048_576

/** How much the heap grows by `keep` of a part of each of 100 texts of half a mebibyte. */
function growth(keep: (part: string) => unknown): number {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  gc()
  const before = process.memoryUsage().heapUsed
  for (let at = 0; at < 100; at++) {
    const text = Buffer.alloc(MEBIBYTE / 2, `part-${at}-of-a-longer-text.`).toString('latin1')
    keep(text.slice(0, text.indexOf('.')))
  }
  gc()
  return process.memoryUsage().heapUsed - before
}

test('ownText holds on to nothing but its own characters', () => {
  const parts: string[] = []
  expect(growth(part => parts.push(part))).toBeGreaterThan(40 * MEBIBYTE)
  const owned: string[] = []
  expect(growth(part => owned.push(ownText(part)))).toBeLessThan(10 * MEBIBYTE)
  expect(owned).toEqual(parts)
  expect(ownText('\u00e9\u00ff')).toBe('\u00e9\u00ff')
})

// On Node 24 it fails without ownText; later ones hold on to no more of a Map's keys themselves.
test.each([
  ['hosts', (part: string) => normaliseAuthority(part, 'http')],
  ['names of fields', lowerName],
])('the %s that are known keep no text alive of which they were a part', (_what, keep) => {
  expect(growth(keep)).toBeLessThan(10 * MEBIBYTE)
})
