import { availableParallelism } from 'node:os'
import { expect, it } from 'vitest'
import { resolveConfig } from '../../../src/runtime/config.ts'

it('the number of workers is a number, or one for each core', () => {
  expect(resolveConfig({}, { env: { FEZZ_WORKERS: '3' } }).workers).toBe(3)
  expect(resolveConfig({}, { env: { FEZZ_WORKERS: 'auto' } }).workers).toBe(availableParallelism())
  expect(() => resolveConfig({ workers: 0 })).toThrow('setting "workers"')
  expect(() => resolveConfig({ workers: 'many' })).toThrow('"many" is not a whole number from 1')
})
